#include "apps/manifest.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "engine/io/checksum.h"
#include "engine/io/json_text.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSeal = "  \"checksum\": \"";
constexpr std::int64_t kLargestImage = 65'500;
constexpr std::size_t kChecksumDigits = 32;

std::string checksum_of(std::string_view text) {
  return io::checksum(std::as_bytes(std::span(text.data(), text.size())));
}

Json to_json(const FileRecord& file) {
  return {{"name", file.name}, {"bytes", file.bytes}, {"checksum", file.checksum}, {"tensors", file.tensors}};
}

// A name in the checkpoint's directory, never a way out of it.
std::string plain_name(const Json& value) {
  const auto name = value.get<std::string>();
  const bool plain = !name.empty() && name[0] != '.' && name.find('/') == std::string::npos &&
                     name.find('\0') == std::string::npos;
  if (!plain) throw BadCheckpoint("the file name \"" + printable(name) + "\"");
  return name;
}

std::string digits(const Json& value) {
  const auto text = value.get<std::string>();
  if (text.size() != kChecksumDigits || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw BadCheckpoint("the checksum \"" + printable(text) + "\"");
  return text;
}

std::int64_t whole(const Json& json, const char* key, std::int64_t least, std::int64_t most) {
  const Json& value = json.at(key);
  if (!value.is_number_integer() || value.get<double>() < static_cast<double>(least) ||
      value.get<double>() > static_cast<double>(most))
    throw BadCheckpoint(std::string(key) + " " + printable(value.dump()));
  return value.get<std::int64_t>();
}

std::array<float, 3> colours(const Json& json, const char* key) {
  const auto values = json.at(key).get<std::array<float, 3>>();
  if (!std::ranges::all_of(values, [](float x) { return std::isfinite(x); }))
    throw BadCheckpoint(std::string(key) + " " + json.at(key).dump());
  return values;
}

constexpr std::int64_t kMost = std::int64_t{1} << 53;

FileRecord to_record(const Json& json, bool checked) {
  FileRecord file{.name = plain_name(json.at("name")),
                  .bytes = static_cast<std::uint64_t>(whole(json, "bytes", 0, kMost))};
  if (!checked) return file;
  file.checksum = digits(json.at("checksum"));
  for (const auto& [name, checksum] : json.at("tensors").items()) file.tensors[name] = digits(checksum);
  return file;
}

Manifest to_manifest(const Json& json) {
  const std::int64_t schema = whole(json, "schema", 0, kMost);
  Manifest m{.schema = schema,
             .step = whole(json, "step", 0, kMost),
             .task = whole(json, "task", 0, kMost),
             .model = json.at("model"),
             .image_size = whole(json, "image_size", 1, kLargestImage),
             .mean = colours(json, "mean"),
             .std = colours(json, "std"),
             .precision = json.at("precision"),
             .method = json.at("method"),
             .strategy = json.at("strategy"),
             .data = json.at("data"),
             .data_labels = json.value("data_labels", "separate"),
             .stream = json.at("stream"),
             .class_order = json.at("class_order"),
             .seed = whole(json, "seed", 0, kMost),
             .readouts = json.at("readouts")};
  const bool checked = schema > 2;
  if (checked) {
    m.version = json.at("version");
    m.stream_digest = json.at("stream_digest");
    m.metrics_bytes = whole(json, "metrics_bytes", 0, kMost);
    const Json& by = json.at("arithmetic");
    m.arithmetic = {
        .device = by.at("device"), .threads = whole(by, "threads", 1, 65'536), .cpu = by.at("cpu")};
  }
  for (const Json& file : json.at("files")) m.files.push_back(to_record(file, checked));
  return m;
}

// The text without the line of its checksum and the brace after it; damaged when they do not belong together.
bool sealed(std::string_view text) {
  const std::size_t at = text.rfind(kSeal);
  if (at == std::string_view::npos) return false;
  return text.substr(at) == std::string(kSeal) + checksum_of(text.substr(0, at)) + "\"\n}\n";
}

}  // namespace

std::string to_text(const Manifest& m) {
  Json files = Json::array();
  for (const FileRecord& file : m.files) files.push_back(to_json(file));
  const Json json = {
      {"schema", m.schema},
      {"version", m.version},
      {"step", m.step},
      {"task", m.task},
      {"model", m.model},
      {"image_size", m.image_size},
      {"mean", m.mean},
      {"std", m.std},
      {"precision", m.precision},
      {"method", m.method},
      {"strategy", m.strategy},
      {"data", m.data},
      {"data_labels", m.data_labels},
      {"stream", m.stream},
      {"class_order", m.class_order},
      {"seed", m.seed},
      {"readouts", m.readouts},
      {"stream_digest", m.stream_digest},
      {"metrics_bytes", m.metrics_bytes},
      {"arithmetic",
       {{"device", m.arithmetic.device}, {"threads", m.arithmetic.threads}, {"cpu", m.arithmetic.cpu}}},
      {"files", std::move(files)}};
  std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace);
  text.resize(text.size() - 2);  // "\n}"
  text += ",\n";
  return text + std::string(kSeal) + checksum_of(text) + "\"\n}\n";
}

Manifest parse_manifest(std::string_view text, const std::string& name) {
  try {
    const Json json = io::parse_object(text, name);
    const std::int64_t schema = whole(json, "schema", 0, kMost);
    if (schema < kOldestManifestSchema || schema > kManifestSchema) {
      throw OtherSchema(name + ": a checkpoint of schema " + std::to_string(schema) +
                        (json.contains("version") ? " by nagare " + printable(json["version"].dump()) : "") +
                        ", this nagare reads schemas " + std::to_string(kOldestManifestSchema) + " to " +
                        std::to_string(kManifestSchema));
    }
    // Also where damage has made a 3 a 2.
    const bool has_seal = text.rfind(kSeal) != std::string_view::npos;
    if ((schema > 2 || has_seal) && !sealed(text)) throw BadCheckpoint("its checksum does not fit its text");
    return to_manifest(json);
  } catch (const OtherSchema&) {
    throw;
  } catch (const BadData& error) {
    throw BadCheckpoint(error.what());
  } catch (const BadCheckpoint& error) {
    throw BadCheckpoint(name + ": damaged: " + error.what());
  } catch (const Json::exception& error) {
    throw BadCheckpoint(name + ": damaged: " + printable(error.what()));
  }
}

}  // namespace nagare::apps
