#pragma once
// CRC-32C (Castagnoli), bit-reflected polynomial 0x82F63B78: crc32c("123456789") = 0xE3069283.
//
// cost    one table look-up per byte
// source  RFC 3720, section B.4
#include <cstdint>
#include <string_view>

namespace nagare::io {

std::uint32_t crc32c(std::string_view bytes);

}  // namespace nagare::io
