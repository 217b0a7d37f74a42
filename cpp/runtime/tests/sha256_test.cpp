#include "sha256.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "fake_tree.h"
#include "yolo_edge/errors.h"

using namespace yolo_edge;

namespace {

std::string hash_of(std::string_view text, Sha256Blocks way = sha256_ways().back()) {
    Sha256 hash(way);
    hash.update(text);
    return hash.finish();
}

}  // namespace

TEST_CASE("SHA-256 of NIST's examples") {
    // FIPS 180-2 appendix B and the SHA examples on csrc.nist.gov.
    struct Case {
        std::string text;
        const char* digest;
    };
    const Case cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmn"
         "opqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
        {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
        // CAVP, SHA256ShortMsg and the one byte 0xbd of NIST's additional vectors.
        {"\xd3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
        {"\xbd", "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"},
        {std::string(55, '\0'), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"},
        {std::string(56, '\0'), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"},
        {std::string(57, '\0'), "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"},
        {std::string(64, '\0'), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.digest);
        for (const Sha256Blocks way : sha256_ways()) CHECK(hash_of(c.text, way) == c.digest);
    }
}

TEST_CASE("pieces of any length give the digest of the whole") {
    std::string text;
    for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
    const std::string whole = hash_of(text);
    for (std::size_t piece = 1; piece <= 130; ++piece) {
        Sha256 hash;
        for (std::size_t i = 0; i < text.size(); i += piece) {
            hash.update(std::string_view(text).substr(i, piece));
        }
        hash.update("");
        CHECK(hash.finish() == whole);
    }
}

TEST_CASE("a file is read in pieces") {
    const testing::FakeTree tree;
    tree.write("a", std::string(1'000'000, 'a'));
    tree.write("empty", "");
    CHECK(sha256_of_file(tree.root() + "/a") ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(sha256_of_file(tree.root() + "/empty") ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_THROWS_WITH_AS(sha256_of_file(tree.root() + "/b"),
                         (tree.root() + "/b: cannot be read: No such file or directory").c_str(),
                         BundleError);
    CHECK_THROWS_WITH_AS(sha256_of_file(tree.root()),
                         (tree.root() + ": cannot be read: Is a directory").c_str(), BundleError);
}
