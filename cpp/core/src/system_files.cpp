#include "system_files.h"

#include <charconv>
#include <fstream>
#include <stdexcept>

#include "trimmed.h"

namespace yolo_edge {

std::optional<std::int64_t> number_in(std::string_view text, int base) {
    text = trimmed(text);
    if (base == 16 && (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X")) text.remove_prefix(2);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::vector<std::string> SystemFiles::lines(const std::string& path) const {
    std::ifstream file(root_ + "/" + path);
    std::vector<std::string> result;
    for (std::string line; std::getline(file, line);) result.push_back(std::move(line));
    return result;
}

std::optional<std::string> SystemFiles::line(const std::string& path) const {
    std::ifstream file(root_ + "/" + path);
    std::string line;
    if (!std::getline(file, line)) return std::nullopt;
    return std::string(trimmed(line));
}

std::optional<std::int64_t> SystemFiles::positive(const std::string& path) const {
    constexpr std::int64_t largest = 1'000'000'000;
    const std::optional<std::string> text = line(path);
    const std::optional<std::int64_t> value = text ? number_in(*text) : std::nullopt;
    return value && *value > 0 && *value <= largest ? value : std::nullopt;
}

std::optional<CpuSet> SystemFiles::cpus(const std::string& path) const {
    const std::optional<std::string> text = line(path);
    if (!text) return std::nullopt;
    try {
        return CpuSet::parse(*text);
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

}  // namespace yolo_edge
