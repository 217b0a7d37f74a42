#include "bundle_fields.h"

#include <algorithm>
#include <locale>
#include <sstream>
#include <utility>

namespace yolo_edge {
namespace {

struct CodeRange {
    std::uint32_t first;
    std::uint32_t last;
};

constexpr CodeRange control_characters[] = {
    {0x00, 0x1F},        // these two move a terminal's cursor, change its colours or end a line
    {0x7F, 0x9F},        //
    {0x061C, 0x061C},    // these four are separators, invisible operators and the direction of writing
    {0x200E, 0x200F},    //
    {0x2028, 0x202E},    //
    {0x2060, 0x206F},    //
    {0xFEFF, 0xFEFF},    // byte order mark
    {0xFFF9, 0xFFFB},    // annotations
    {0xE0000, 0xE007F},  // tags
};

/// The character at `begin`, and where the next one begins. `text` is valid UTF-8: the JSON parser saw to it.
std::pair<std::uint32_t, std::size_t> decode(std::string_view text, std::size_t begin) {
    const auto byte = [&](std::size_t i) -> std::uint32_t { return static_cast<unsigned char>(text[i]); };
    const std::uint32_t lead = byte(begin);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t code = length == 1 ? lead : lead & (0x7FU >> length);
    const std::size_t end = std::min(begin + length, text.size());
    for (std::size_t i = begin + 1; i < end; ++i) code = code << 6U | (byte(i) & 0x3FU);
    return {code, end};
}

template <typename... Parts>
std::string joined(const Parts&... parts) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    (text << ... << parts);
    return text.str();
}

bool is_integer(const Json& value, std::int64_t minimum, std::int64_t maximum) {
    return value.is_number_integer() && value.get<std::int64_t>() >= minimum &&
           value.get<std::int64_t>() <= maximum;
}

bool is_number(const Json& value, double minimum, double maximum) {
    return value.is_number() && value.get<double>() >= minimum && value.get<double>() <= maximum;
}

/// Whether a value is a list, not empty, whose items are all right.
template <typename IsRight>
bool is_list(const Json* value, IsRight is_right) {
    return value != nullptr && value->is_array() && !value->empty() &&
           std::all_of(value->begin(), value->end(), is_right);
}

/// The same of a fixed length.
template <typename IsRight>
bool is_list_of(std::size_t count, const Json* value, IsRight is_right) {
    return is_list(value, is_right) && value->size() == count;
}

SizeHW size_of(const Json& value) {
    return {value[0].get<int>(), value[1].get<int>()};
}

const Json& empty_object() {
    static const Json empty = Json::object();
    return empty;
}

}  // namespace

bool holds_control_characters(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto [code, next] = decode(text, i);
        for (const CodeRange& range : control_characters) {
            if (code >= range.first && code <= range.last) return true;
        }
        i = next;
    }
    return false;
}

Fields::Fields(const Json& raw, std::string place, std::vector<std::string>* faults)
    : raw_(&raw), place_(std::move(place)), faults_(faults) {}

void Fields::fault(std::string_view key, const std::string& text) const {
    if (faults_ != nullptr) faults_->push_back(path(key) + " " + text);
}

const Json* Fields::find(std::string_view key) const {
    const auto found = raw_->find(std::string(key));
    return found == raw_->end() ? nullptr : &*found;
}

std::string Fields::text(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr || !value->is_string() || value->get_ref<const std::string&>().empty()) {
        wrong(key, "a non-empty string");
        return "";
    }
    if (holds_control_characters(value->get_ref<const std::string&>())) {
        fault(key, "holds control characters");
    }
    return value->get<std::string>();
}

std::size_t Fields::choice(std::string_view key, std::initializer_list<std::string_view> allowed) const {
    const Json* value = find(key);
    std::string known;
    std::size_t index = 0;
    for (const std::string_view name : allowed) {
        if (value != nullptr && value->is_string() && value->get_ref<const std::string&>() == name) {
            return index;
        }
        known += (index++ == 0 ? "" : ", ") + std::string(name);
    }
    wrong(key, "one of " + known);
    return 0;
}

std::optional<std::int64_t> Fields::integer(std::string_view key, std::int64_t minimum,
                                            std::optional<std::int64_t> maximum) const {
    const Json* value = find(key);
    if (value != nullptr && is_integer(*value, minimum, maximum.value_or(INT64_MAX))) {
        return value->get<std::int64_t>();
    }
    wrong(key, "a whole number " +
                   (maximum ? joined("from ", minimum, " to ", *maximum) : joined("of at least ", minimum)));
    return std::nullopt;
}

SizeHW Fields::size(std::string_view key, int maximum) const {
    const Json* value = find(key);
    if (is_list_of(2, value, [&](const Json& side) { return is_integer(side, 1, maximum); })) {
        return size_of(*value);
    }
    wrong(key, joined("2 whole numbers from 1 to ", maximum));
    return {1, 1};
}

std::array<double, 3> Fields::three_numbers(std::string_view key, int limit) const {
    const Json* value = find(key);
    if (is_list_of(3, value, [&](const Json& number) { return is_number(number, -limit, limit); })) {
        return value->get<std::array<double, 3>>();
    }
    wrong(key, joined("3 numbers from ", -limit, " to ", limit));
    return {};
}

std::vector<Anchor> Fields::anchors(std::string_view key, double minimum, double maximum) const {
    const Json* value = find(key);
    const auto is_side = [&](const Json& side) { return is_number(side, minimum, maximum); };
    std::vector<Anchor> anchors;
    if (!is_list(value, [&](const Json& pair) { return is_list_of(2, &pair, is_side); })) {
        wrong(key, joined("a list of [width, height] from ", minimum, " to ", maximum));
        return anchors;
    }
    for (const Json& pair : *value) anchors.push_back({pair[0].get<float>(), pair[1].get<float>()});
    return anchors;
}

std::vector<SizeHW> Fields::sizes(std::string_view key, int maximum) const {
    const Json* value = find(key);
    const auto is_side = [&](const Json& side) { return is_integer(side, 1, maximum); };
    std::vector<SizeHW> sizes;
    if (value != nullptr && *value == "dynamic") return sizes;
    if (!is_list(value, [&](const Json& pair) { return is_list_of(2, &pair, is_side); })) {
        wrong(key, joined("\"dynamic\" or a list of [height, width] from 1 to ", maximum));
        return sizes;
    }
    for (const Json& pair : *value) sizes.push_back(size_of(pair));
    return sizes;
}

std::vector<std::string> Fields::strings(std::string_view key, std::size_t minimum) const {
    const Json* value = find(key);
    if (value == nullptr || !value->is_array() || value->size() < minimum ||
        !std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_string(); })) {
        wrong(key, minimum > 0 ? joined("a list of at least ", minimum, " strings") : "a list of strings");
        return {};
    }
    auto texts = value->get<std::vector<std::string>>();
    if (std::any_of(texts.begin(), texts.end(), holds_control_characters)) {
        fault(key, "holds control characters");
    }
    return texts;
}

std::vector<std::pair<std::string, std::string>> Fields::text_map(std::string_view key,
                                                                  std::size_t maximum) const {
    const Json* value = find(key);
    std::vector<std::pair<std::string, std::string>> texts;
    if (value == nullptr || !value->is_object() || value->empty() || value->size() > maximum ||
        !std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_string(); })) {
        wrong(key, joined("an object of 1 to ", maximum, " strings"));
        return texts;
    }
    for (const auto& [name, item] : value->items()) texts.emplace_back(name, item.get<std::string>());
    return texts;
}

Fields Fields::section(std::string_view key, bool required) const {
    const Json* value = find(key);
    if (value != nullptr && value->is_object()) return {*value, path(key), faults_};
    if (value == nullptr && !required) return {empty_object(), path(key), faults_};
    wrong(key, "an object");
    // Its keys would only repeat that it is not there.
    return {empty_object(), path(key), nullptr};
}

std::vector<Fields> Fields::sections(std::string_view key, std::size_t minimum, std::size_t maximum,
                                     bool required) const {
    const Json* value = find(key);
    std::vector<Fields> fields;
    if (value == nullptr && !required) return fields;
    if (value == nullptr || !value->is_array() || value->size() < minimum || value->size() > maximum ||
        !std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_object(); })) {
        wrong(key, joined("a list of ", minimum, " to ", maximum, " objects"));
        return fields;
    }
    for (const Json& item : *value) {
        fields.emplace_back(item, joined(path(key), "[", fields.size(), "]"), faults_);
    }
    return fields;
}

std::string Fields::path(std::string_view key) const {
    return place_.empty() ? std::string(key) : place_ + "." + std::string(key);
}

void Fields::wrong(std::string_view key, const std::string& expected) const {
    const Json* value = find(key);
    fault(key, value == nullptr ? "is missing" : "is " + shown(*value) + ", not " + expected);
}

}  // namespace yolo_edge
