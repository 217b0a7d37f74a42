#include "arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace yolo_edge::native {
namespace {

constexpr std::size_t line_width = 100;  // of the help, in characters
constexpr std::size_t help_column = 26;

int parse_int(const std::string& name, const std::string& text) {
    const char* begin = text.data() + (text.size() > 1 && text[0] == '+' ? 1 : 0);
    const char* end = text.data() + text.size();
    int value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error != std::errc{} || stop != end) {
        throw UsageError("argument " + name + ": invalid int value: '" + text + "'");
    }
    return value;
}

float parse_float(const std::string& name, const std::string& text) {
    char* stop = nullptr;
    const float value = std::strtof(text.c_str(), &stop);
    if (text.empty() || stop != text.c_str() + text.size()) {
        throw UsageError("argument " + name + ": invalid float value: '" + text + "'");
    }
    return value;
}

bool starts_with(std::string_view text, std::string_view start) {
    return text.substr(0, start.size()) == start;
}

/// "-" is standard output and "-1" a number.
bool looks_like_flag(const std::string& text) {
    return text.size() > 1 && text[0] == '-' && text.find_first_of("0123456789.", 1) != 1;
}

/// `text` in lines of line_width, all but the first moved right.
std::string wrapped(std::string_view text, std::size_t indent) {
    std::string out;
    std::size_t column = indent;
    while (!text.empty()) {
        const std::size_t space = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, space);
        if (column > indent && column + 1 + word.size() > line_width) {
            out += "\n" + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        text.remove_prefix(std::min(space + 1, text.size()));
    }
    return out;
}

std::string help_entry(const std::string& left, const std::string& help) {
    std::string entry = "  " + left;
    if (entry.size() + 2 > help_column) {
        entry += "\n" + std::string(help_column, ' ');
    } else {
        entry.append(help_column - entry.size(), ' ');
    }
    return entry + wrapped(help, help_column) + "\n";
}

}  // namespace

std::string shortest(float value) {
    std::array<char, 32> buffer{};
    for (int digits = 1; digits <= 9; ++digits) {
        std::snprintf(buffer.data(), buffer.size(), "%.*g", digits, static_cast<double>(value));
        if (std::strtof(buffer.data(), nullptr) == value) break;
    }
    return buffer.data();
}

ArgumentTable::ArgumentTable(std::string program, std::string description, std::string epilog)
    : program_(std::move(program)), description_(std::move(description)), epilog_(std::move(epilog)) {}

void ArgumentTable::group(std::string title) {
    group_ = std::move(title);
}

void ArgumentTable::add(std::string_view name, std::string_view value_name, std::string_view help,
                        int& target) {
    add_flag(
        name, value_name, help, std::to_string(target),
        [&target, flag = std::string(name)](const std::string& text) { target = parse_int(flag, text); });
}

void ArgumentTable::add(std::string_view name, std::string_view value_name, std::string_view help,
                        float& target) {
    add_flag(
        name, value_name, help, shortest(target),
        [&target, flag = std::string(name)](const std::string& text) { target = parse_float(flag, text); });
}

void ArgumentTable::add(std::string_view name, std::string_view value_name, std::string_view help,
                        std::string& target) {
    add_flag(name, value_name, help, target, [&target](const std::string& text) { target = text; });
}

void ArgumentTable::add(std::string_view name, std::string_view value_name, std::string_view help,
                        std::optional<int>& target) {
    add_flag(name, value_name, help, "", [&target, flag = std::string(name)](const std::string& text) {
        target = parse_int(flag, text);
    });
}

void ArgumentTable::add(std::string_view name, std::string_view value_name, std::string_view help,
                        std::optional<std::string>& target) {
    add_flag(name, value_name, help, "", [&target](const std::string& text) { target = text; });
}

void ArgumentTable::add_choice(std::string_view name, std::vector<std::string> words, std::string_view help,
                               std::optional<std::string>& target) {
    std::string quoted;
    std::string shown;
    for (const std::string& word : words) {
        quoted += (quoted.empty() ? "'" : ", '") + word + "'";
        shown += (shown.empty() ? "{" : ",") + word;
    }
    add_flag(name, shown + "}", help, "",
             [&target, flag = std::string(name), words = std::move(words), quoted](const std::string& text) {
                 if (std::find(words.begin(), words.end(), text) == words.end()) {
                     throw UsageError("argument " + flag + ": invalid choice: '" + text + "' (choose from " +
                                      quoted + ")");
                 }
                 target = text;
             });
}

void ArgumentTable::add_switch(std::string_view name, std::string_view help, bool& target,
                               std::string_view short_name) {
    add_flag(name, "", help, "", [&target](const std::string&) { target = true; });
    flags_.back().short_name = short_name;
}

void ArgumentTable::add_positional(std::string_view name, std::string_view help,
                                   std::vector<std::string>& target, std::size_t least, bool single) {
    positional_ = Positional{std::string(name), std::string(help), &target, least, single};
}

void ArgumentTable::add_flag(std::string_view name, std::string_view value_name, std::string_view help,
                             const std::string& default_text, std::function<void(const std::string&)> set) {
    constexpr std::string_view mark = "%default";
    std::string text(help);
    if (const std::size_t at = text.find(mark); at != std::string::npos) {
        text.replace(at, mark.size(), default_text);
    }
    flags_.push_back({std::string(name), "", std::string(value_name), text, group_, std::move(set)});
}

const ArgumentTable::Flag& ArgumentTable::find(const std::string& name) const {
    const Flag* found = nullptr;
    for (const Flag& flag : flags_) {
        if (flag.name == name || flag.short_name == name) return flag;
        if (name.size() > 2 && starts_with(flag.name, name)) {
            if (found != nullptr) {
                throw UsageError("ambiguous option: " + name + " could match " + found->name + ", " +
                                 flag.name);
            }
            found = &flag;
        }
    }
    if (found == nullptr) throw UsageError("unrecognized arguments: " + name);
    return *found;
}

bool ArgumentTable::parse(const std::vector<std::string>& arguments) const {
    std::vector<std::string> loose;
    bool flags_end = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (flags_end || !looks_like_flag(argument)) {
            loose.push_back(argument);
            continue;
        }
        if (argument == "--") {
            flags_end = true;
            continue;
        }
        if (argument == "--help" || argument == "-h") return false;
        const std::size_t equals = starts_with(argument, "--") ? argument.find('=') : std::string::npos;
        const Flag& flag = find(argument.substr(0, equals));
        if (flag.value_name.empty()) {
            if (equals != std::string::npos) throw UsageError("argument " + flag.name + ": takes no value");
            flag.set("");
        } else if (equals != std::string::npos) {
            flag.set(argument.substr(equals + 1));
        } else if (i + 1 < arguments.size() && !looks_like_flag(arguments[i + 1])) {
            flag.set(arguments[++i]);
        } else {
            throw UsageError("argument " + flag.name + ": expected one argument");
        }
    }
    const std::size_t most = !positional_ ? 0 : positional_->single ? 1 : loose.size();
    if (loose.size() > most) throw UsageError("unrecognized arguments: " + loose[most]);
    if (positional_) {
        if (loose.size() < positional_->least) {
            throw UsageError("the following arguments are required: " + positional_->name);
        }
        *positional_->target = std::move(loose);
    }
    return true;
}

std::string ArgumentTable::usage() const {
    std::string text = "usage: " + program_ + " [options]";
    if (positional_) {
        const std::string& name = positional_->name;
        text += positional_->least > 0 ? " " + name : " [" + name + "]";
        if (!positional_->single) text += " [" + name + " ...]";
    }
    return text + "\n";
}

std::string ArgumentTable::help() const {
    std::string text = usage() + "\n" + description_;
    if (positional_) text += "\narguments:\n" + help_entry(positional_->name, positional_->help);
    std::string group;
    for (const Flag& flag : flags_) {
        if (flag.group != group) text += "\n" + flag.group + ":\n";
        group = flag.group;
        std::string left = flag.short_name.empty() ? flag.name : flag.short_name + ", " + flag.name;
        if (!flag.value_name.empty()) left += " " + flag.value_name;
        text += help_entry(left, flag.help);
    }
    text += "\n" + help_entry("-h, --help", "show this help and exit");
    return epilog_.empty() ? text : text + "\n" + epilog_;
}

}  // namespace yolo_edge::native
