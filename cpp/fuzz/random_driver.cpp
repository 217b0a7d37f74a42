// Stands in for libFuzzer where there is no clang: random inputs from a seed, the same on every machine.
//   PROGRAM [-seed=N] [-max_total_time=SECONDS] [FILE...]
// Files are run once each, to look again at an input that failed. Before each random input its number stands
// in the file PROGRAM.last, so that what crashed is known; -seed=N -first=NUMBER runs from there.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../core/tests/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int longest_input = 4096;

/// "-name=123" gives 123 if `name` fits, else nothing changes.
void read_number(const std::string& argument, const std::string& name, std::uint64_t& value) {
    if (argument.rfind(name, 0) == 0) value = std::strtoull(argument.c_str() + name.size(), nullptr, 10);
}

}  // namespace

int main(int count, char** arguments) {
    std::uint64_t seed = 0;
    std::uint64_t seconds = 60;
    std::uint64_t first = 0;
    bool files = false;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        read_number(argument, "-seed=", seed);
        read_number(argument, "-max_total_time=", seconds);
        read_number(argument, "-first=", first);
        if (argument[0] == '-') continue;
        files = true;
        std::ifstream stream(argument, std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
    if (files) return 0;

    const std::string last = std::string(arguments[0]) + ".last";
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    std::uint64_t number = first;
    for (; std::chrono::steady_clock::now() < end; ++number) {
        std::ofstream(last) << "-seed=" << seed << " -first=" << number << "\n";
        yolo_edge::testing::Random random(seed * 0x9E3779B97F4A7C15U + number);
        const auto bytes = random.bytes(static_cast<std::size_t>(random.integer(0, longest_input)));
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%llu inputs, seed %llu, no failure\n", static_cast<unsigned long long>(number - first),
                static_cast<unsigned long long>(seed));
}
