#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace yolo_edge::native {

/// Builds JSON in the spelling of Python's json.dumps(..., ensure_ascii=False), key by key.
class JsonText {
  public:
    JsonText& begin_object() { return open('{'); }
    JsonText& end_object() { return shut('}'); }
    JsonText& begin_array() { return open('['); }
    JsonText& end_array() { return shut(']'); }
    JsonText& key(std::string_view name);

    /// Bytes that are not UTF-8 become U+FFFD: file names may hold any.
    JsonText& text(std::string_view value);
    JsonText& integer(std::int64_t value);
    /// Rounded to `decimals` places, written as Python writes that float: 0.5, 1.0, 2e-06.
    JsonText& number(double value, int decimals);
    JsonText& null();

    const std::string& str() const { return out_; }
    void clear();

  private:
    JsonText& open(char bracket);
    JsonText& shut(char bracket);
    void separate();
    void append_quoted(std::string_view value);

    std::string out_;
    bool first_ = true;  // nothing precedes in the innermost object or array, or its key does
};

}  // namespace yolo_edge::native
