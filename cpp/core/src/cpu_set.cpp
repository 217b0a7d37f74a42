#include "yolo_edge/cpu_set.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "argument_error.h"
#include "trimmed.h"

namespace yolo_edge {
namespace {

constexpr std::size_t longest_quote = 80;  // characters of the user's text that a message repeats

/// In quotes, shortened, and with everything but printable ASCII as '?': half a character is not valid UTF-8.
std::string quoted(std::string_view text) {
    std::string shown(text.substr(0, longest_quote));
    for (char& c : shown) {
        if (c < ' ' || c > '~') c = '?';
    }
    return "'" + shown + (text.size() > longest_quote ? "...'" : "'");
}

/// Marks CPUs in a table of fixed size: memory stays bounded whatever ranges the text holds.
class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text), in_set_(CpuSet::limit, false) {}

    std::vector<int> parse() {
        const std::string_view text = trimmed(text_);
        if (text.empty()) fail("it is empty");
        if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X") {
            parse_mask(text.substr(2));
        } else {
            parse_list(text);
        }
        std::vector<int> cpus;
        for (int cpu = 0; cpu < CpuSet::limit; ++cpu) {
            if (in_set_[static_cast<std::size_t>(cpu)]) cpus.push_back(cpu);
        }
        return cpus;
    }

  private:
    [[noreturn]] void fail(const std::string& reason) const {
        throw argument_error(quoted(text_), " is no set of CPUs: ", reason,
                             "; write a list such as '0-3,6' or a mask such as '0xf0'");
    }

    void parse_mask(std::string_view digits) {
        if (digits.empty()) fail("no digits follow 0x");
        std::size_t cpu = 0;  // of the lowest bit of the digit
        for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, cpu += 4) {
            unsigned value = 0;
            if (std::from_chars(&*digit, &*digit + 1, value, 16).ec != std::errc{}) {
                fail(quoted({&*digit, 1}) + " is no hexadecimal digit");
            }
            for (std::size_t bit = 0; bit < 4; ++bit) {
                if ((value >> bit & 1U) != 0) mark(cpu + bit);
            }
        }
    }

    void parse_list(std::string_view list) {
        for (std::size_t begin = 0; begin <= list.size();) {
            const std::size_t end = std::min(list.find(',', begin), list.size());
            parse_item(trimmed(list.substr(begin, end - begin)));
            begin = end + 1;
        }
    }

    void parse_item(std::string_view item) {
        const std::size_t dash = item.find('-');
        if (dash == std::string_view::npos) {
            mark(number(item));
            return;
        }
        const std::size_t first = number(trimmed(item.substr(0, dash)));
        const std::size_t last = number(trimmed(item.substr(dash + 1)));
        if (first > last) fail("the range " + quoted(item) + " runs backwards");
        check(last);
        for (std::size_t cpu = first; cpu <= last; ++cpu) mark(cpu);
    }

    std::size_t number(std::string_view digits) const {
        std::size_t value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error == std::errc::result_out_of_range) check(CpuSet::limit);
        if (error != std::errc{} || end != digits.data() + digits.size()) {
            fail(quoted(digits) + " is no CPU number");
        }
        return value;
    }

    void check(std::size_t cpu) const {
        if (cpu >= CpuSet::limit) fail("CPU numbers end at " + std::to_string(CpuSet::limit - 1));
    }

    void mark(std::size_t cpu) {
        check(cpu);
        in_set_[cpu] = true;
    }

    std::string_view text_;
    std::vector<bool> in_set_;
};

}  // namespace

CpuSet::CpuSet(std::initializer_list<int> cpus) : CpuSet(std::vector<int>(cpus)) {}

CpuSet::CpuSet(const std::vector<int>& cpus) : cpus_(cpus) {
    for (const int cpu : cpus_) {
        if (cpu < 0 || cpu >= limit) {
            throw argument_error("CPU number is ", cpu, "; it must be 0..", limit - 1);
        }
    }
    std::sort(cpus_.begin(), cpus_.end());
    cpus_.erase(std::unique(cpus_.begin(), cpus_.end()), cpus_.end());
}

CpuSet CpuSet::parse(std::string_view text) {
    CpuSet set;
    set.cpus_ = Parser(text).parse();
    return set;
}

std::string CpuSet::to_list() const {
    std::string list;
    for (auto first = cpus_.begin(); first != cpus_.end();) {
        auto last = first;
        while (std::next(last) != cpus_.end() && *std::next(last) == *last + 1) ++last;
        if (!list.empty()) list += ',';
        list += std::to_string(*first);
        if (last != first) list += '-' + std::to_string(*last);
        first = std::next(last);
    }
    return list;
}

bool CpuSet::contains(int cpu) const {
    return std::binary_search(cpus_.begin(), cpus_.end(), cpu);
}

bool CpuSet::includes(const CpuSet& other) const {
    return std::includes(cpus_.begin(), cpus_.end(), other.cpus_.begin(), other.cpus_.end());
}

CpuSet operator&(const CpuSet& a, const CpuSet& b) {
    CpuSet result;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result.cpus_));
    return result;
}

CpuSet operator|(const CpuSet& a, const CpuSet& b) {
    CpuSet result;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result.cpus_));
    return result;
}

CpuSet operator-(const CpuSet& a, const CpuSet& b) {
    CpuSet result;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result.cpus_));
    return result;
}

}  // namespace yolo_edge
