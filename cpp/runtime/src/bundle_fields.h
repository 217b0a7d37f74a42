#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bundle_json.h"
#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/proposals.h"

namespace yolo_edge {

/// Whether a text in UTF-8 would do more on a terminal than show itself; docs/bundle.md lists the characters.
bool holds_control_characters(std::string_view text);

/// One JSON object, its place in the document, and the list that faults go to: reads typed values and
/// collects every fault instead of stopping at the first.
///
/// After a fault the reading methods return a harmless value; whoever started the reading looks at the faults
/// before using anything. The texts are those of runtime/yolo_edge/bundle_fields.py.
class Fields {
  public:
    /// `raw` and `faults` must outlive this object. Without `faults` they are forgotten.
    Fields(const Json& raw, std::string place, std::vector<std::string>* faults);

    /// Adds a fault of the value under `key`.
    void fault(std::string_view key, const std::string& text) const;

    /// The value under `key`, or nullptr.
    const Json* find(std::string_view key) const;

    /// A non-empty string without control characters.
    std::string text(std::string_view key) const;
    /// The index of the value among the allowed strings.
    std::size_t choice(std::string_view key, std::initializer_list<std::string_view> allowed) const;
    /// A whole number within bounds; nothing after a fault.
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t minimum,
                                        std::optional<std::int64_t> maximum = std::nullopt) const;
    /// [height, width] within 1..maximum.
    SizeHW size(std::string_view key, int maximum) const;
    /// Three finite numbers within -limit..limit.
    std::array<double, 3> three_numbers(std::string_view key, int limit) const;
    /// A non-empty list of [width, height] within bounds.
    std::vector<Anchor> anchors(std::string_view key, double minimum, double maximum) const;
    /// A non-empty list of [height, width] within 1..maximum; empty for "dynamic".
    std::vector<SizeHW> sizes(std::string_view key, int maximum) const;
    /// A list of at least `minimum` strings without control characters.
    std::vector<std::string> strings(std::string_view key, std::size_t minimum = 0) const;
    /// An object of 1 to `maximum` strings, in the order of the file.
    std::vector<std::pair<std::string, std::string>> text_map(std::string_view key,
                                                              std::size_t maximum) const;

    /// The object under `key`; empty after a fault or when it is absent and not required.
    Fields section(std::string_view key, bool required = true) const;
    /// The list of objects under `key`.
    std::vector<Fields> sections(std::string_view key, std::size_t minimum, std::size_t maximum,
                                 bool required = true) const;

  private:
    std::string path(std::string_view key) const;
    void wrong(std::string_view key, const std::string& expected) const;

    const Json* raw_;
    std::string place_;
    std::vector<std::string>* faults_;
};

}  // namespace yolo_edge
