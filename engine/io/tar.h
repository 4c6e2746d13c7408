#pragma once
// The members of a tar archive, read where it lies: nothing is ever unpacked, and names are keys, never paths.
//
// formats  ustar, GNU (long names, sizes in base 256) and pax (path and size of one member: where the value is empty, the
//          header's own counts; other keys are passed over)
// members  regular files, contiguous ones (type 7) among them, in the order of the archive. Directories are passed over:
//          those of type 5, whose size may be blank, and files of no bytes whose name ends with "/", as they were before
//          that type
// names    as in the archive, without the "./" that `tar c .` puts before them: no other "." and no "..", neither "/"
//          at an end nor "//", no backslash, no control byte, 1 to 4,096 bytes, each once
// end      two blocks of zeros, and behind them zeros alone, at most 16 MiB (tar fills its last record). Anything
//          else there is refused: of two archives one behind the other some readers see the first, some both
// cost     one read of 512 bytes for each header, so little memory for an archive of any size: that of the names
// errors   BadData naming the archive, the member or the byte where its header begins, and the reason: what is said
//          above of names and end; an archive that is packed (gzip, bzip2, xz, zstd) or cut anywhere; a header
//          without ustar's magic or with a wrong sum; a size that is negative, no number, or reaches beyond the file;
//          links, devices, fifos, sparse files and unknown types; an extended header above 1 MiB, malformed, doubled
//          or without a member; path, size or a sparse file's keys in a global header; more than max_members headers
// source   POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format"; the
//          empty values as Go's archive/tar takes them (POSIX has them delete the header's own as well)
#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/file.h"

namespace nagare::io {

struct TarMember {
  std::string name;
  ByteRange bytes;  // in the archive
};

struct TarLimits {
  std::uint64_t max_members = 10'000'000;
};

std::vector<TarMember> list_tar(const Path& path, const TarLimits& limits = {});

}  // namespace nagare::io
