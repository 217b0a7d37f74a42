#include "bundle_json.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "argument_error.h"

namespace yolo_edge {
namespace {

constexpr std::size_t deepest = 64;  // levels of arrays and objects, the outermost counted

/// Builds the value from the parser's events, and refuses what nlohmann's own builder lets pass: repeated
/// keys, whole numbers beyond int64 (which become floats there), any depth.
class StrictBuilder : public nlohmann::json_sax<Json> {
  public:
    explicit StrictBuilder(std::string_view text) : text_(text) {}

    Json take() { return std::move(root_); }

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override {
        if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) refuse_integer();
        return add(static_cast<std::int64_t>(value));
    }
    bool number_float(number_float_t value, const string_t& digits) override {
        if (digits.find_first_of(".eE") == std::string::npos) refuse_integer();
        return add(value);
    }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return false; }  // not in JSON text

    bool start_object(std::size_t) override { return open(Json::object()); }
    bool key(string_t& name) override {
        Level& level = levels_.back();
        if (!level.keys.insert(name).second) {
            throw argument_error("the key ", shown(name), " stands twice in one object");
        }
        level.key = std::move(name);
        return true;
    }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_array() override { return close(); }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception& error) override {
        constexpr int out_of_range = 406;
        if (error.id == out_of_range) throw argument_error("a number is larger than a float64 can be");
        // Its own text would repeat bytes of the file.
        const std::string_view before = text_.substr(0, position > 0 ? position - 1 : 0);
        const auto line = std::count(before.begin(), before.end(), '\n') + 1;
        const std::size_t line_start = before.rfind('\n');
        const std::size_t column =
            before.size() - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
        throw argument_error("syntax error at line ", line, ", byte ", column);
    }

  private:
    /// An array or object that is not yet closed.
    struct Level {
        Json* value;  // stays in place: what holds it grows only after it is closed
        std::string key;
        std::set<std::string> keys;
    };

    [[noreturn]] static void refuse_integer() {
        throw argument_error("a whole number needs more than 64 bits");
    }

    Json& place(Json value) {
        if (levels_.empty()) return root_ = std::move(value);
        Level& level = levels_.back();
        if (level.value->is_array()) {
            level.value->push_back(std::move(value));
            return level.value->back();
        }
        // Not operator[], which would search the whole object: its time would grow with the square of the
        // keys.
        auto& object = level.value->get_ref<Json::object_t&>();
        object.emplace_back(std::move(level.key), std::move(value));
        return object.back().second;
    }

    bool add(Json value) {
        place(std::move(value));
        return true;
    }

    bool open(Json value) {
        if (levels_.size() == deepest) throw argument_error("it nests deeper than ", deepest, " levels");
        levels_.push_back({&place(std::move(value)), {}, {}});
        return true;
    }

    bool close() {
        levels_.pop_back();
        return true;
    }

    std::string_view text_;
    Json root_;
    std::vector<Level> levels_;
};

}  // namespace

Json parse_json(std::string_view text) {
    // nlohmann skips the one and takes the other for the end.
    if (text.substr(0, 3) == "\xEF\xBB\xBF") throw argument_error("it begins with a byte order mark");
    if (text.find('\0') != std::string_view::npos) throw argument_error("it holds a NUL");
    StrictBuilder builder(text);
    Json::sax_parse(text.begin(), text.end(), &builder);
    return builder.take();
}

std::string shown(const Json& value) {
    constexpr std::size_t longest = 60;
    const std::string text = value.dump(-1, ' ', true);
    return text.size() > longest ? text.substr(0, longest) + "…" : text;
}

}  // namespace yolo_edge
