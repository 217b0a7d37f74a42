#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace yolo_edge {

/// Keeps the keys in the order of the file.
using Json = nlohmann::ordered_json;

/// Bytes; a manifest has some thousand.
constexpr std::size_t largest_manifest = std::size_t{16} << 20;

/// Parses JSON as bundle.json may hold it: whatever two readers could take differently is refused, see
/// docs/bundle.md. The rules are those of runtime/yolo_edge/bundle_json.py. Never recurses.
///
/// Throws std::invalid_argument that says what is wrong; no byte of the text stands in it unescaped.
Json parse_json(std::string_view text);

/// A parsed value for a message: its JSON text in ASCII, shortened.
std::string shown(const Json& value);

}  // namespace yolo_edge
