#include "sha256.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>
#include <vector>

#if defined(YOLO_EDGE_HAVE_SHA_X86)
#include <cpuid.h>
#elif defined(YOLO_EDGE_HAVE_SHA_ARM) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "yolo_edge/errors.h"

namespace yolo_edge {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const std::array<std::uint32_t, 64> sha256_round_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {

std::uint32_t rotated_right(std::uint32_t x, unsigned bits) {
    return x >> bits | x << (32U - bits);
}

std::uint32_t big_endian(const unsigned char* bytes) {
    return std::uint32_t{bytes[0]} << 24U | std::uint32_t{bytes[1]} << 16U | std::uint32_t{bytes[2]} << 8U |
           std::uint32_t{bytes[3]};
}

[[noreturn]] void fail(const std::string& path) {
    throw BundleError(path + ": cannot be read: " + std::generic_category().message(errno));
}

}  // namespace

void Sha256::update(std::string_view bytes) {
    length_ += bytes.size();
    while (!bytes.empty()) {
        if (filled_ == 0 && bytes.size() >= block_.size()) {
            const std::size_t whole = bytes.size() / block_.size();
            blocks_(state_.data(), reinterpret_cast<const unsigned char*>(bytes.data()), whole);
            bytes.remove_prefix(whole * block_.size());
            continue;
        }
        const std::size_t count = std::min(bytes.size(), block_.size() - filled_);
        std::memcpy(block_.data() + filled_, bytes.data(), count);
        bytes.remove_prefix(count);
        filled_ += count;
        if (filled_ < block_.size()) return;
        blocks_(state_.data(), block_.data(), 1);
        filled_ = 0;
    }
}

std::string Sha256::finish() {
    // A one bit, zeros up to eight bytes before the end of a block, and there the length in bits.
    const std::uint64_t bits = length_ * 8;
    std::string padding = "\x80";
    padding.resize(1 + (block_.size() * 2 - 9 - filled_) % block_.size(), '\0');
    for (unsigned shift = 64; shift > 0; shift -= 8) {
        padding += static_cast<char>(static_cast<unsigned char>(bits >> (shift - 8)));
    }
    update(padding);
    std::string digest;
    for (const std::uint32_t word : state_) {
        for (unsigned shift = 32; shift > 0; shift -= 4) {
            digest += "0123456789abcdef"[word >> (shift - 4) & 0xFU];
        }
    }
    return digest;
}

void sha256_blocks_scalar(std::uint32_t* state, const unsigned char* blocks, std::size_t count) {
    for (; count > 0; --count, blocks += 64) {
        std::array<std::uint32_t, 64> words;
        for (std::size_t i = 0; i < 16; ++i) words[i] = big_endian(blocks + 4 * i);
        for (std::size_t i = 16; i < 64; ++i) {
            const std::uint32_t near = words[i - 2];
            const std::uint32_t far = words[i - 15];
            words[i] = words[i - 16] + words[i - 7] +
                       (rotated_right(far, 7) ^ rotated_right(far, 18) ^ far >> 3U) +
                       (rotated_right(near, 17) ^ rotated_right(near, 19) ^ near >> 10U);
        }
        std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        std::uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (std::size_t i = 0; i < 64; ++i) {
            const std::uint32_t first = h +
                                        (rotated_right(e, 6) ^ rotated_right(e, 11) ^ rotated_right(e, 25)) +
                                        ((e & f) ^ (~e & g)) + sha256_round_constants[i] + words[i];
            const std::uint32_t second = (rotated_right(a, 2) ^ rotated_right(a, 13) ^ rotated_right(a, 22)) +
                                         ((a & b) ^ (a & c) ^ (b & c));
            h = g;
            g = f;
            f = e;
            e = d + first;
            d = c;
            c = b;
            b = a;
            a = first + second;
        }
        const std::array<std::uint32_t, 8> change = {a, b, c, d, e, f, g, h};
        for (std::size_t i = 0; i < change.size(); ++i) state[i] += change[i];
    }
}

const std::vector<Sha256Blocks>& sha256_ways() {
    static const std::vector<Sha256Blocks> ways = [] {
        std::vector<Sha256Blocks> found = {sha256_blocks_scalar};
#if defined(YOLO_EDGE_HAVE_SHA_X86)
        // gcc 12 does not know the name "sha"; leaf 7, EBX, bit 29.
        unsigned a = 0, b = 0, c = 0, d = 0;
        const bool has_sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29U & 1U) != 0;
        if (has_sha && __builtin_cpu_supports("sse4.1")) found.push_back(sha256_blocks_x86);
#elif defined(YOLO_EDGE_HAVE_SHA_ARM) && defined(__linux__)
        if ((getauxval(AT_HWCAP) & HWCAP_SHA2) != 0) found.push_back(sha256_blocks_arm);
#endif
        return found;
    }();
    return ways;
}

std::string sha256_of_file(const std::string& path) {
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
    if (file == nullptr) fail(path);
    Sha256 hash;
    std::vector<char> piece(std::size_t{1} << 18);
    while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), file.get())) {
        hash.update({piece.data(), count});
    }
    if (std::ferror(file.get()) != 0) fail(path);
    return hash.finish();
}

}  // namespace yolo_edge
