#include "json_text.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace yolo_edge::native {
namespace {

/// Length of the well-formed UTF-8 character at the start of `text`; 0 when there is none (RFC 3629, 4).
std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80) return 0;
    }
    const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
    const bool beyond = (lead == 0xED && byte(1) > 0x9F) || (lead == 0xF4 && byte(1) > 0x8F);
    return overlong || beyond ? 0 : length;
}

}  // namespace

JsonText& JsonText::key(std::string_view name) {
    separate();
    append_quoted(name);
    out_ += ": ";
    first_ = true;
    return *this;
}

JsonText& JsonText::text(std::string_view value) {
    separate();
    append_quoted(value);
    return *this;
}

JsonText& JsonText::integer(std::int64_t value) {
    separate();
    out_ += std::to_string(value);
    return *this;
}

JsonText& JsonText::number(double value, int decimals) {
    separate();
    if (!std::isfinite(value)) {
        out_ += std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
        return *this;
    }
    std::array<char, 400> buffer{};  // the largest double has 309 digits
    const int length = std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
    std::string fixed(buffer.data(), static_cast<std::size_t>(length));
    if (fixed.find('.') == std::string::npos) fixed += ".0";
    while (fixed.back() == '0' && fixed[fixed.size() - 2] != '.') fixed.pop_back();
    // Python changes to exponents below 0.0001.
    const std::size_t digit = fixed.find_first_of("123456789");
    const std::size_t point = fixed.find('.');
    if (digit == std::string::npos || digit < point + 5) {
        out_ += fixed;
        return *this;
    }
    std::string significant = fixed.substr(digit);
    if (significant.size() > 1) significant.insert(1, ".");
    std::snprintf(buffer.data(), buffer.size(), "e-%02zu", digit - point);
    out_ += (fixed[0] == '-' ? "-" : "") + significant + buffer.data();
    return *this;
}

JsonText& JsonText::null() {
    separate();
    out_ += "null";
    return *this;
}

void JsonText::clear() {
    out_.clear();
    first_ = true;
}

JsonText& JsonText::open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
    return *this;
}

JsonText& JsonText::shut(char bracket) {
    out_ += bracket;
    first_ = false;
    return *this;
}

void JsonText::separate() {
    if (!first_) out_ += ", ";
    first_ = false;
}

void JsonText::append_quoted(std::string_view value) {
    out_ += '"';
    while (!value.empty()) {
        const std::size_t length = character_length(value);
        const char c = value[0];
        if (length == 0) {
            out_ += "\xEF\xBF\xBD";
        } else if (c == '"' || c == '\\') {
            out_ += '\\';
            out_ += c;
        } else if (const std::string_view named = "\b\f\n\r\t"; named.find(c) != std::string_view::npos) {
            out_ += '\\';
            out_ += "bfnrt"[named.find(c)];
        } else if (static_cast<unsigned char>(c) < 0x20) {
            std::array<char, 7> escape{};
            std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
            out_ += escape.data();
        } else {
            out_ += value.substr(0, length);
        }
        value.remove_prefix(length == 0 ? 1 : length);
    }
    out_ += '"';
}

}  // namespace yolo_edge::native
