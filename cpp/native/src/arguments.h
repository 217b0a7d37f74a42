#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace yolo_edge::native {

/// A command line that does not make sense.
class UsageError : public std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

/// The flags and positional arguments of one command: what they are called, what they say about themselves
/// and which variables they fill. The variables keep their values where a flag is not given, so defaults
/// stand where the variables are made.
class ArgumentTable {
  public:
    /// `description` and `epilog` are printed around the list of flags.
    ArgumentTable(std::string program, std::string description, std::string epilog = "");

    /// Begins a group of flags in the help.
    void group(std::string title);

    /// A flag with a value. The text of its help may hold "%default", which becomes the variable's value.
    void add(std::string_view name, std::string_view value_name, std::string_view help, int& target);
    void add(std::string_view name, std::string_view value_name, std::string_view help, float& target);
    void add(std::string_view name, std::string_view value_name, std::string_view help, std::string& target);
    void add(std::string_view name, std::string_view value_name, std::string_view help,
             std::optional<int>& target);
    void add(std::string_view name, std::string_view value_name, std::string_view help,
             std::optional<std::string>& target);
    /// One of a few words.
    void add_choice(std::string_view name, std::vector<std::string> words, std::string_view help,
                    std::optional<std::string>& target);
    /// A flag without a value. `short_name` is one more spelling, "-v", or nothing.
    void add_switch(std::string_view name, std::string_view help, bool& target,
                    std::string_view short_name = "");

    /// What stands without a flag: at least `least`, any number more or, if `single`, one at most.
    void add_positional(std::string_view name, std::string_view help, std::vector<std::string>& target,
                        std::size_t least, bool single = false);

    /// Fills the variables; false when --help was asked for. Throws UsageError.
    ///
    /// Flags may be shortened as long as they stay unique, values written as `--flag value` or
    /// `--flag=value`; after `--` nothing is a flag.
    bool parse(const std::vector<std::string>& arguments) const;

    std::string help() const;

  private:
    struct Flag {
        std::string name;
        std::string short_name;
        std::string value_name;  // "" for a switch
        std::string help;
        std::string group;
        std::function<void(const std::string&)> set;
    };
    struct Positional {
        std::string name;
        std::string help;
        std::vector<std::string>* target;
        std::size_t least;
        bool single;
    };

    void add_flag(std::string_view name, std::string_view value_name, std::string_view help,
                  const std::string& default_text, std::function<void(const std::string&)> set);
    const Flag& find(const std::string& name) const;
    std::string usage() const;

    std::string program_;
    std::string description_;
    std::string epilog_;
    std::string group_ = "options";
    std::vector<Flag> flags_;
    std::optional<Positional> positional_;
};

/// A number as short as it can be: "0.25".
std::string shortest(float value);

}  // namespace yolo_edge::native
