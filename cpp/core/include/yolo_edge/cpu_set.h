#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace yolo_edge {

/// A set of CPU numbers, kept in rising order; a small value that cannot be changed.
class CpuSet {
  public:
    /// CPU numbers lie below this: the most CPUs that a Linux kernel can be built for.
    static constexpr int limit = 8192;

    CpuSet() = default;
    CpuSet(std::initializer_list<int> cpus);
    /// Any order, duplicates allowed. Throws std::invalid_argument for a number outside 0..limit-1.
    explicit CpuSet(const std::vector<int>& cpus);

    /// Reads a list of CPUs as sysfs and taskset -c write it ("0-3,6") or a mask ("0xf0").
    ///
    /// Only text that starts with 0x is a mask; its lowest bit is CPU 0. Everything else is a list, so "4" is
    /// CPU 4 and never the mask of CPU 2. Blanks around numbers are allowed; "0x0" is the empty set, "" is
    /// not.
    ///
    /// Throws std::invalid_argument that names the text, what is wrong with it and the two forms.
    static CpuSet parse(std::string_view text);

    /// The list form: "0-3,6"; "" for the empty set.
    std::string to_list() const;

    bool contains(int cpu) const;
    bool includes(const CpuSet& other) const;  ///< true when every CPU of `other` is in this set.
    bool empty() const { return cpus_.empty(); }
    std::size_t size() const { return cpus_.size(); }

    std::vector<int>::const_iterator begin() const { return cpus_.begin(); }
    std::vector<int>::const_iterator end() const { return cpus_.end(); }

    friend CpuSet operator&(const CpuSet& a, const CpuSet& b);  ///< In both.
    friend CpuSet operator|(const CpuSet& a, const CpuSet& b);  ///< In either.
    friend CpuSet operator-(const CpuSet& a, const CpuSet& b);  ///< In `a`, not in `b`.
    friend bool operator==(const CpuSet& a, const CpuSet& b) { return a.cpus_ == b.cpus_; }
    friend bool operator!=(const CpuSet& a, const CpuSet& b) { return a.cpus_ != b.cpus_; }

  private:
    std::vector<int> cpus_;  // rising, no duplicates
};

}  // namespace yolo_edge
