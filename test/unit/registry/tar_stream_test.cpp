#include "pipelines/image/tar_stream.hpp"

#include <clocale>
#include <utility>

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::image;
using banger::test::TarBuilder;

namespace {

/// Keeps contents in memory; a hole reads as dots.
struct MemorySink : ContentSink {
    std::vector<std::string> files;
    void begin_file() override { files.emplace_back(); }
    void append(std::span<const std::byte> bytes) override {
        files.back().append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    void skip(std::uint64_t bytes) override { files.back().append(bytes, '.'); }
    std::vector<Extent> end_file() override { return {}; }
};

struct Unpacked {
    std::vector<LayerEntry> entries;
    std::vector<std::string> files;
    std::vector<std::string> warnings;
    std::size_t bytes_seen = 0;
};

Unpacked unpack(const std::string& tar, std::size_t piece = 1000) {
    Unpacked out;
    MemorySink sink;
    ImageBudget budget;
    const auto next = [&]() -> std::span<const std::byte> {
        const auto size = std::min(piece, tar.size() - out.bytes_seen);
        const auto* start = reinterpret_cast<const std::byte*>(tar.data()) + out.bytes_seen;
        out.bytes_seen += size;
        return {start, size};
    };
    auto contents = read_tar(next, sink, budget);
    contents.entries.for_each([&](LayerEntry& entry) { out.entries.push_back(entry); });
    out.warnings = contents.warnings.texts();
    out.files = std::move(sink.files);
    return out;
}

std::string refusal(const std::string& tar) {
    try {
        unpack(tar);
    } catch (const Error& error) {
        CHECK(error.code() == Errc::invalid_argument);
        return error.what();
    }
    return "";
}

const std::string* xattr(const LayerEntry& entry, const std::string& name) {
    for (const auto& [key, value] : entry.attributes.xattrs) {
        if (key == name) return &value;
    }
    return nullptr;
}

}  // namespace

TEST_CASE("every kind of entry comes out with its attributes") {
    const auto out = unpack(
        TarBuilder()
            .add({.path = "d/", .type = '5', .mode = 03777, .uid = 10, .gid = 20, .mtime = -5})
            .add({.path = "d/f",
                  .content = "hello",
                  .mode = 06755,
                  .uid = 2147483653,
                  .gid = 4000000000,
                  .mtime = 8589934599})
            .symlink("d/l", "../x")
            .hard_link("d/h", "d/f")
            .device("c", '3', 259, 70000)
            .device("b", '4', 8, 1)
            .add({.path = "p", .type = '6'})
            .finish());
    REQUIRE(out.entries.size() == 7);
    const auto& d = out.entries[0];
    CHECK(d.type == NodeType::directory);
    CHECK(d.attributes.mode == 03777);
    CHECK(d.attributes.mtime == Timestamp{-5, 0});
    const auto& f = out.entries[1];
    CHECK(f.path == "d/f");
    CHECK(f.size == 5);
    CHECK(f.attributes.mode == 06755);
    CHECK(f.attributes.uid == 2147483653u);
    CHECK(f.attributes.gid == 4000000000u);
    CHECK(f.attributes.mtime == Timestamp{8589934599, 0});
    CHECK(out.files == std::vector<std::string>{"hello"});
    CHECK(out.entries[2].type == NodeType::symlink);
    CHECK(out.entries[2].link_target == "../x");
    CHECK(out.entries[3].is_hard_link);
    CHECK(out.entries[3].link_target == "d/f");
    CHECK(out.entries[4].type == NodeType::char_device);
    CHECK(out.entries[4].device_major == 259);
    CHECK(out.entries[4].device_minor == 70000);
    CHECK(out.entries[5].type == NodeType::block_device);
    CHECK(out.entries[6].type == NodeType::fifo);
}

TEST_CASE("pax gives nanoseconds, long names and big numbers") {
    const std::string long_name = std::string(200, 'n') + "/" + std::string(255, 'm');
    const auto out =
        unpack(TarBuilder()
                   .add({.path = long_name,
                         .content = "x",
                         .pax = {{"mtime", "1700000000.123456789"}, {"uid", "4294967295"}}})
                   .finish());
    CHECK(out.entries.at(0).path == long_name);
    CHECK(out.entries[0].attributes.mtime == Timestamp{1700000000, 123456789});
    CHECK(out.entries[0].attributes.uid == 4294967295u);
}

TEST_CASE("names are bytes, whatever the locale") {
    const std::string nfc = "caf\xc3\xa9", nfd = "cafe\xcc\x81", latin = "caf\xe9";
    const std::string odd = "a\nb\tc\"d\\e";
    for (const auto* locale : {"C", "C.UTF-8"}) {
        REQUIRE(std::setlocale(LC_ALL, locale) != nullptr);
        TarBuilder tar;
        for (const auto& name : {nfc, nfd, latin, odd}) {
            tar.file(name, "x");
            tar.add({.path = "short", .content = "y", .pax = {{"path", name + "-pax"}}});
            tar.add(
                {.path = name + "-link", .type = '2', .link = "s", .pax = {{"linkpath", name}}});
        }
        const auto out = unpack(tar.finish());
        std::setlocale(LC_ALL, "C");
        REQUIRE(out.entries.size() == 12);
        std::size_t i = 0;
        for (const auto& name : {nfc, nfd, latin, odd}) {
            CAPTURE(locale, name);
            CHECK(out.entries[i++].path == name);
            CHECK(out.entries[i++].path == name + "-pax");
            CHECK(out.entries[i++].link_target == name);
        }
    }
}

TEST_CASE("xattrs of both dialects are bytes") {
    const std::string capability("\x01\x00\x00\x02\x00\x20\x00\x00", 8);
    const auto out = unpack(TarBuilder()
                                .add({.path = "f",
                                      .pax = {{"SCHILY.xattr.security.capability", capability},
                                              {"SCHILY.xattr.user.x", "one"},
                                              {"LIBARCHIVE.xattr.user.y", "dHdv"}}})
                                .file("g", "")
                                .finish());
    REQUIRE(xattr(out.entries.at(0), "security.capability"));
    CHECK(*xattr(out.entries[0], "security.capability") == capability);
    CHECK(*xattr(out.entries[0], "user.x") == "one");
    CHECK(*xattr(out.entries[0], "user.y") == "two");
    CHECK(out.entries.at(1).attributes.xattrs.empty());
}

TEST_CASE("a POSIX ACL becomes the kernel's xattr") {
    const auto out = unpack(TarBuilder()
                                .add({.path = "f",
                                      .mode = 0640,
                                      .pax = {{"SCHILY.acl.access",
                                               "user::rw-,user:bin:r--:7,group::r--,mask::r--,"
                                               "other::---"}}})
                                .finish());
    const auto* acl = xattr(out.entries.at(0), "system.posix_acl_access");
    REQUIRE(acl);
    const std::string expected(
        "\x02\0\0\0"
        "\x01\0\x06\0\xff\xff\xff\xff"
        "\x02\0\x04\0\x07\0\0\0"
        "\x04\0\x04\0\xff\xff\xff\xff"
        "\x10\0\x04\0\xff\xff\xff\xff"
        "\x20\0\x00\0\xff\xff\xff\xff",
        44);
    CHECK(*acl == expected);
}

TEST_CASE("sparse files of the pax 0.1 kind have their holes") {
    const auto out = unpack(TarBuilder()
                                .add({.path = "s",
                                      .content = "abcd",
                                      .pax = {{"GNU.sparse.size", "12"},
                                              {"GNU.sparse.numblocks", "2"},
                                              {"GNU.sparse.map", "2,2,8,2"},
                                              {"GNU.sparse.name", "real"}}})
                                .finish());
    CHECK(out.entries.at(0).path == "real");
    CHECK(out.entries[0].size == 12);
    CHECK(out.files.at(0) == "..ab....cd..");
}

TEST_CASE("a tar may end without its end blocks, be empty, or be nothing at all") {
    CHECK(unpack(TarBuilder().file("a", "x").unfinished()).entries.size() == 1);
    CHECK(unpack(std::string(1024, '\0')).entries.empty());
    CHECK(unpack("").entries.empty());
}

TEST_CASE("bytes behind the end are read but not applied") {
    const auto one = TarBuilder().file("a", "x").finish();
    const auto both = one + TarBuilder().file("b", "y").finish() + std::string(9000, 'j');
    const auto out = unpack(both);
    CHECK(out.entries.size() == 1);
    CHECK(out.bytes_seen == both.size());
}

TEST_CASE("the pieces may be cut anywhere") {
    const auto tar = TarBuilder().dir("d").file("d/f", std::string(5000, 'z')).finish();
    for (const std::size_t piece : {1u, 7u, 511u, 512u, 513u, 100000u}) {
        const auto out = unpack(tar, piece);
        CHECK(out.entries.size() == 2);
        CHECK(out.files.at(0) == std::string(5000, 'z'));
    }
}

TEST_CASE("a smuggled tar inside a file stays inside it") {
    const auto inner = TarBuilder().file("evil", "x").unfinished();
    auto header = TarBuilder::header({.path = "f"}, 0);
    const auto records = TarBuilder::pax_record("size", std::to_string(inner.size()));
    const auto out = unpack(TarBuilder()
                                .raw(TarBuilder::header({.path = "x", .type = 'x'}, records.size()))
                                .padded(records)
                                .raw(header)
                                .padded(inner)
                                .finish());
    REQUIRE(out.entries.size() == 1);
    CHECK(out.files.at(0) == inner);
}

TEST_CASE("an old contiguous file is a file, a volume label is nothing") {
    const auto out = unpack(TarBuilder()
                                .add({.path = "label", .type = 'V'})
                                .add({.path = "f", .type = '7', .content = "x"})
                                .finish());
    REQUIRE(out.entries.size() == 1);
    CHECK(out.entries[0].type == NodeType::regular);
}

TEST_CASE("pax global headers are ignored") {
    const auto records =
        TarBuilder::pax_record("comment", "0123") + TarBuilder::pax_record("uid", "7");
    const auto out = unpack(TarBuilder()
                                .raw(TarBuilder::header({.path = "g", .type = 'g'}, records.size()))
                                .padded(records)
                                .file("f", "x")
                                .finish());
    REQUIRE(out.entries.size() == 1);
    CHECK(out.entries[0].attributes.uid == 0);
}

TEST_CASE("damaged tars are refused, never skipped") {
    const auto good = TarBuilder().file("a", std::string(2000, 'x')).file("b", "y").finish();
    auto bad_sum = good;
    bad_sum[2560 + 10] = 'Z';
    CHECK(refusal(bad_sum).find("damaged tar") != std::string::npos);
    CHECK(refusal(good.substr(0, 1000)).find("'a'") != std::string::npos);
    CHECK_FALSE(refusal(std::string(2000, 'j')).empty());
    CHECK_FALSE(refusal(good.substr(0, 100)).empty());
    const auto with_pax = [](const std::string& records) {
        return TarBuilder()
            .raw(TarBuilder::header({.path = "x", .type = 'x'}, records.size()))
            .padded(records)
            .file("f", "x")
            .finish();
    };
    for (const auto& records : {std::string("99 path=x\n"), std::string("xx path=x\n"),
                                std::string("9 path=xy"), std::string("12 path=x\n__")}) {
        CAPTURE(records);
        CHECK_FALSE(refusal(with_pax(records)).empty());
    }
}

TEST_CASE("a header that claims gigabytes of pax data is refused before it is believed") {
    CHECK_FALSE(refusal(TarBuilder()
                            .raw(TarBuilder::header({.path = "x", .type = 'x'}, 8ull << 30))
                            .raw(std::string(4096, 'x'))
                            .unfinished())
                    .empty());
    CHECK_FALSE(refusal(TarBuilder()
                            .raw(TarBuilder::header({.path = "x", .type = 'L'}, 8ull << 30))
                            .raw(std::string(4096, 'x'))
                            .unfinished())
                    .empty());
}

TEST_CASE("sizes out of bounds are refused") {
    for (const auto size : {0x7FFFFFFFFFFFFFFFull, 1ull << 50}) {
        CHECK_FALSE(refusal(TarBuilder()
                                .raw(TarBuilder::header({.path = "f"}, size))
                                .raw(std::string(4096, 'x'))
                                .unfinished())
                        .empty());
    }
    CHECK_FALSE(refusal(TarBuilder().add({.path = "f", .content = "x", .uid = 1ll << 33}).finish())
                    .empty());
}

TEST_CASE("names and links have their limits") {
    const auto accepted = [](const std::string& path) {
        return refusal(TarBuilder().file(path, "x").finish()).empty();
    };
    CHECK(accepted(std::string(255, 'n')));
    CHECK_FALSE(accepted(std::string(256, 'n')));
    std::string deep;
    for (int i = 0; i < 16; ++i)
        deep += std::string(254, 'd') + "/";
    CHECK(accepted(deep + std::string(16, 'e')));
    CHECK_FALSE(accepted(deep + std::string(17, 'e')));
    std::string levels;
    for (int i = 0; i < 1025; ++i)
        levels += "d/";
    CHECK_FALSE(accepted(levels + "f"));
    const auto link = [](std::size_t size) {
        return refusal(TarBuilder().symlink("l", std::string(size, 't')).finish()).empty();
    };
    CHECK(link(4095));
    CHECK_FALSE(link(4096));
    CHECK_FALSE(link(0));
}

TEST_CASE("a hard link that brings content is refused") {
    CHECK_FALSE(refusal(TarBuilder()
                            .file("a", "x")
                            .add({.path = "b",
                                  .type = '1',
                                  .content = "evil",
                                  .link = "a",
                                  .pax = {{"size", "4"}}})
                            .finish())
                    .empty());
}

TEST_CASE("xattrs beyond the limit are refused by name") {
    CHECK(refusal(TarBuilder()
                      .add({.path = "f",
                            .pax = {{"SCHILY.xattr.user.big", std::string(65 * 1024, 'v')}}})
                      .finish())
              .find("user.big") != std::string::npos);
}

TEST_CASE("xattrs without number and ACLs without end are refused") {
    std::string records;
    for (int index = 0; index < 1025; ++index)
        records += TarBuilder::pax_record(fmt::format("SCHILY.xattr.user.{}", index), "x");
    const auto many = TarBuilder::header({.path = "pax", .type = 'x'}, records.size());
    CHECK_THROWS_WITH(unpack(TarBuilder().raw(many).padded(records).file("f", "").finish()),
                      test::ContainsSubstring("more than the limit of 1024 xattrs"));
    std::string acl;
    while (acl.size() <= 64 * 1024)
        acl += fmt::format("user::rwx,user:{}:rwx,", acl.size());
    CHECK(refusal(TarBuilder().add({.path = "f", .pax = {{"SCHILY.acl.access", acl}}}).finish())
              .find("its ACL is over 64 KiB") != std::string::npos);
}

TEST_CASE("a warning is cut to what somebody may read") {
    const auto name = std::string(10'000, 'u');
    const auto out =
        unpack(TarBuilder()
                   .add({.path = "f", .pax = {{"SCHILY.acl.access", "user:" + name + ":rwx"}}})
                   .finish());
    REQUIRE(out.warnings.size() == 1);
    CHECK(out.warnings[0].size() < 310);
    CHECK(out.warnings[0].starts_with("dropped the ACL of 'f': an ACL names 'uuu"));
}

TEST_CASE("what an image keeps in memory is bounded, whichever part of an entry it is") {
    const auto tar = TarBuilder()
                         .add({.path = "dir/" + std::string(200, 'p'),
                               .type = '2',
                               .link = std::string(1000, 'l'),
                               .pax = {{"SCHILY.xattr.user.note", std::string(50'000, 'v')}}})
                         .finish();
    const auto read = [&](std::uint64_t taken) {
        MemorySink sink;
        ImageBudget budget;
        budget.take_metadata(taken, 0);
        bool done = false;
        const auto next = [&]() -> std::span<const std::byte> {
            if (std::exchange(done, true)) return {};
            return std::as_bytes(std::span(tar));
        };
        read_tar(next, sink, budget);
    };
    CHECK_NOTHROW(read(ImageBudget::kMaxMetadata - 52'000));
    CHECK_THROWS_WITH(read(ImageBudget::kMaxMetadata - 51'200),
                      "the image's names, links and xattrs are over the limit of 1 GiB");
}

TEST_CASE("links, xattrs and extents beyond a file's share have a limit of their own") {
    ImageBudget budget;
    for (int count = 0; count < 500'000; ++count)
        budget.take_metadata(100, ImageBudget::kEntryShare);
    CHECK_NOTHROW(budget.take_metadata(0, ImageBudget::kEntryShare + (32 << 20)));
    CHECK_THROWS_WITH(budget.take_metadata(0, ImageBudget::kEntryShare + 1),
                      "the links, xattrs and extents of the image's files are over the limit of 32 "
                      "MiB (and 200 bytes for each file)");
}

TEST_CASE("an image has five million entries and 64 GiB of content at most") {
    ImageBudget budget;
    for (std::uint64_t count = 0; count < ImageBudget::kMaxEntries; ++count)
        budget.take_entry();
    CHECK_THROWS_WITH(budget.take_entry(), "the image has more than the limit of 5000000 files");
    budget.take_bytes(64ull << 30);
    CHECK_THROWS_WITH(budget.take_bytes(1), "the image is larger than the limit of 64 GiB");
}

TEST_CASE("what is no content of any file has a limit too") {
    ImageBudget image;
    ImageBudget layer(&image);
    layer.take_stream(ImageBudget::kMaxStream);
    CHECK_THROWS_WITH(image.take_stream(1),
                      "the image's layers unpack to more than the limit of 128 GiB");
}

TEST_CASE("an exception of the input comes out as it was thrown") {
    MemorySink sink;
    ImageBudget budget;
    const auto next = []() -> std::span<const std::byte> {
        fail(Errc::digest_mismatch, "as it was thrown");
    };
    CHECK_THROWS_WITH(read_tar(next, sink, budget), "as it was thrown");
}
