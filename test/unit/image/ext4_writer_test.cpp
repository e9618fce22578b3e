#include "pipelines/image/ext4/ext4_writer.hpp"

#include <sys/stat.h>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/unit/image/image_builder.hpp"

using namespace banger;
using namespace banger::test;
using image::Ext4Result;
using image::LayerEntry;
using image::NodeType;
using image::StagingTree;

namespace {

std::string pattern(std::size_t size, unsigned seed) {
    std::string text(size, '\0');
    for (char& each : text) {
        seed = seed * 1103515245 + 12345;
        each = static_cast<char>(seed >> 16);
    }
    return text;
}

std::uint64_t allocated_bytes(const std::string& path) {
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

Error error_of(ImageBuilder& builder, const StagingTree& tree) {
    try {
        builder.write(tree);
    } catch (const Error& error) {
        return error;
    }
    FAIL("no error");
    std::abort();
}

}  // namespace

TEST_CASE("an image without layers is an empty root and lost+found") {
    ImageBuilder builder;
    builder.options.label = "banger-root";
    ReadFilesystem fs = builder.build({});
    REQUIRE(fs.entries.size() == 2);
    CHECK(fs.at("/").inode == 2);
    CHECK(fs.at("/").nlink == 3);
    CHECK(fs.at("/lost+found").inode == 11);
    CHECK(fs.at("/lost+found").mode == 0700);
    CHECK(fs.at("/lost+found").size == 16384);
    CHECK(fs.size == 1ULL << 30);
    CHECK(fs.has_journal);
    CHECK(fs.label == "banger-root");
    CHECK(fs.uuid == builder.options.uuid);
}

TEST_CASE("contents of all sizes come back as they were") {
    ImageBuilder builder;
    std::vector<LayerEntry> layer{directory("usr")};
    std::vector<std::size_t> sizes{0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1, 5'000'000};
    for (std::size_t size : sizes) {
        layer.push_back(builder.file_with("usr/" + std::to_string(size),
                                          pattern(size, static_cast<unsigned>(size))));
    }
    ReadFilesystem fs = builder.build(std::move(layer));
    for (std::size_t size : sizes) {
        const ReadEntry& entry = fs.at("/usr/" + std::to_string(size));
        CHECK(entry.size == size);
        CHECK(entry.sha256 == sha256(pattern(size, static_cast<unsigned>(size))).hex);
    }
}

TEST_CASE("owners, modes and times are kept to the bit") {
    ImageBuilder builder;
    LayerEntry special = builder.file_with("bin/su", "su");
    special.attributes = {06755, 2147483653U, 4000000000U, {8589934599, 123456789}, {}};
    LayerEntry old = directory("old", 03777);
    old.attributes.mtime = {-5, 999999999};
    ReadFilesystem fs = builder.build({special, old, builder.file_with("old/later", "x")});
    const ReadEntry& su = fs.at("/bin/su");
    CHECK(su.mode == 06755);
    CHECK(su.uid == 2147483653U);
    CHECK(su.gid == 4000000000U);
    CHECK(su.mtime == 8589934599);
    CHECK(su.mtime_ns == 123456789);
    CHECK(fs.at("/old").mode == 03777);
    CHECK(fs.at("/old").mtime == -5);
    CHECK(fs.at("/old").mtime_ns == 999999999);
    CHECK(fs.at("/bin").mode == 0755);
}

TEST_CASE("symlinks of every length are kept") {
    ImageBuilder builder;
    std::vector<LayerEntry> layer;
    std::vector<std::size_t> lengths{1, 59, 60, 61, 255, 4095};
    for (std::size_t length : lengths) {
        layer.push_back(soft_link("l" + std::to_string(length), std::string(length, 'x')));
    }
    ReadFilesystem fs = builder.build(std::move(layer));
    for (std::size_t length : lengths) {
        CHECK(fs.at("/l" + std::to_string(length)).link_target == std::string(length, 'x'));
    }
}

TEST_CASE("device nodes, fifos and sockets need no privilege") {
    ImageBuilder builder;
    ReadFilesystem fs = builder.build({
        device("dev/null", NodeType::char_device, 1, 3),
        device("dev/wide", NodeType::block_device, 259, 1048575),
        device("dev/top", NodeType::char_device, 4095, 256),
        device("dev/none", NodeType::char_device, 0, 0),
        device("dev/fifo", NodeType::fifo, 0, 0),
        device("dev/socket", NodeType::socket, 0, 0),
    });
    CHECK(fs.at("/dev/null").type == 'c');
    CHECK(fs.at("/dev/null").device_major == 1);
    CHECK(fs.at("/dev/null").device_minor == 3);
    CHECK(fs.at("/dev/wide").type == 'b');
    CHECK(fs.at("/dev/wide").device_major == 259);
    CHECK(fs.at("/dev/wide").device_minor == 1048575);
    CHECK(fs.at("/dev/top").device_major == 4095);
    CHECK(fs.at("/dev/top").device_minor == 256);
    CHECK(fs.at("/dev/none").type == 'c');
    CHECK(fs.at("/dev/fifo").type == 'p');
    CHECK(fs.at("/dev/socket").type == 's');
}

TEST_CASE("hard links across directories share one inode") {
    ImageBuilder builder;
    ReadFilesystem fs = builder.build({
        builder.file_with("a/one", "content"),
        hard_link("b/two", "a/one"),
        hard_link("c/d/three", "/b/two"),
        soft_link("link", "a/one"),
        hard_link("a/link-too", "link"),
    });
    CHECK(fs.at("/a/one").nlink == 3);
    CHECK(fs.at("/b/two").inode == fs.at("/a/one").inode);
    CHECK(fs.at("/c/d/three").inode == fs.at("/a/one").inode);
    CHECK(fs.at("/c/d/three").sha256 == sha256("content").hex);
    CHECK(fs.at("/a/link-too").inode == fs.at("/link").inode);
    CHECK(fs.at("/a/link-too").type == 'l');
}

TEST_CASE("xattrs of every size are kept") {
    ImageBuilder builder;
    // vfs_cap_data revision 2, cap_net_raw+ep.
    const std::string capability("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    // posix_acl_xattr: user::rw-, user:1000:r--, group::r--, mask::r--, other::r--.
    const std::string acl(
        "\2\0\0\0"
        "\1\0\6\0\377\377\377\377"
        "\2\0\4\0\350\3\0\0"
        "\4\0\4\0\377\377\377\377"
        "\20\0\4\0\377\377\377\377"
        "\40\0\4\0\377\377\377\377",
        44);
    auto with = [&](std::string path, std::vector<std::pair<std::string, std::string>> xattrs) {
        LayerEntry entry = builder.file_with(std::move(path), "x");
        entry.attributes.xattrs = std::move(xattrs);
        return entry;
    };
    LayerEntry marked = directory("marked");
    marked.attributes.xattrs = {{"user.on", "a directory"}};
    ReadFilesystem fs = builder.build({
        with("ping", {{"security.capability", capability}}),
        with("acl", {{"system.posix_acl_access", acl}, {"user.z", "1"}, {"user.a", "2"}}),
        with("block", {{"user.b", std::string(3000, 'b')}, {"trusted.c", ""}, {"user.c", "\xff"}}),
        with("large", {{"user.d", pattern(5000, 1)},
                       {"user.e", pattern(60 * 1024, 2)},
                       {"user.f", pattern(64 * 1024, 3)},
                       {"user.g", "small"}}),
        marked,
        soft_link("plain", "x"),
    });
    CHECK(fs.at("/ping").xattrs.at("security.capability") == capability);
    CHECK(fs.at("/acl").xattrs.at("system.posix_acl_access") == acl);
    CHECK(fs.at("/acl").xattrs.size() == 3);
    CHECK(fs.at("/block").xattrs.at("user.b") == std::string(3000, 'b'));
    CHECK(fs.at("/block").xattrs.at("trusted.c").empty());
    CHECK(fs.at("/block").xattrs.at("user.c") == "\xff");
    CHECK(fs.at("/large").xattrs.at("user.d") == pattern(5000, 1));
    CHECK(fs.at("/large").xattrs.at("user.e") == pattern(60 * 1024, 2));
    CHECK(fs.at("/large").xattrs.at("user.f") == pattern(64 * 1024, 3));
    CHECK(fs.at("/large").xattrs.at("user.g") == "small");
    CHECK(fs.at("/marked").xattrs.at("user.on") == "a directory");
}

TEST_CASE("an ACL that is none is an error naming the file") {
    ImageBuilder builder;
    LayerEntry entry = file("srv/shared");
    entry.attributes.xattrs = {{"system.posix_acl_access", "nonsense"}};
    StagingTree tree;
    tree.apply(std::vector{entry});
    CHECK_THAT(error_of(builder, tree).what(), ContainsSubstring("/srv/shared"));
}

TEST_CASE("a file in more than a thousand pieces has an extent tree") {
    ImageBuilder builder;
    LayerEntry pieces = builder.sparse_file("pieces", 3000, 3 * 4096);
    REQUIRE(pieces.extents.size() == 3000);
    std::string content;
    for (int index = 0; index < 3000; ++index)
        content += '\1' + std::string(3 * 4096 - 1, '\0');
    ReadFilesystem fs = builder.build({pieces});
    CHECK(fs.at("/pieces").extents.size() == 3000);
    CHECK(fs.at("/pieces").sha256 == sha256(content).hex);
}

TEST_CASE("a big sparse file takes no room, in the image or on the host") {
    ImageBuilder builder;
    LayerEntry big = builder.sparse_file("big", 2, 8ULL << 30);
    REQUIRE(big.extents.size() == 2);
    StagingTree tree;
    tree.apply(std::vector{big});
    Ext4Result result = builder.write(tree);
    CHECK(result.size == 1ULL << 30);
    CHECK(check_e2fsck(builder.path()) == "");
    CHECK(allocated_bytes(builder.path()) < 4 << 20);
}

TEST_CASE("the largest file there can be is all hole") {
    ImageBuilder builder;
    LayerEntry largest = file("largest");
    largest.size = 0xffffffffULL * image::kBlockSize;
    StagingTree tree;
    tree.apply(std::vector{largest});
    builder.write(tree);
    CHECK(check_e2fsck(builder.path()) == "");
}

TEST_CASE("a longer extent than ext4 knows is split") {
    ImageBuilder builder;
    LayerEntry huge = file("huge");
    huge.size = 50'000ULL * image::kBlockSize;
    huge.extents = {{0, 40'000, 50'000}};
    ReadFilesystem fs = builder.build({huge});
    REQUIRE(fs.at("/huge").extents.size() == 1);
    CHECK(fs.at("/huge").extents[0].count == 50'000);
}

TEST_CASE("contents where a superblock belongs are an error naming the file") {
    ImageBuilder builder;
    LayerEntry huge = file("huge");
    huge.size = 50'000ULL * image::kBlockSize;
    huge.extents = {{0, 60'000, 50'000}};
    StagingTree tree;
    tree.apply(std::vector{huge});
    CHECK_THAT(error_of(builder, tree).what(), ContainsSubstring("/huge"));
}

TEST_CASE("the same input gives the same bytes") {
    auto make = [](ImageBuilder& builder) {
        builder.options.size = 256 << 20;
        LayerEntry large = builder.file_with("x/large", pattern(9000, 9));
        large.attributes.xattrs = {{"user.large", pattern(30'000, 4)}, {"user.small", "s"}};
        std::vector<LayerEntry> layer{large, builder.sparse_file("sparse", 20, 8192)};
        for (int index = 0; index < 2000; ++index) {
            layer.push_back(
                builder.file_with("many/" + std::to_string(index), std::to_string(index)));
        }
        builder.build(std::move(layer));
        return sha256_file_blocking(builder.path()).hex;
    };
    ImageBuilder first;
    ImageBuilder second("another-name.ext4");
    CHECK(make(first) == make(second));
}

TEST_CASE("contents that nothing refers to are given back") {
    ImageBuilder builder;
    LayerEntry lower = builder.file_with("data", pattern(20'000'000, 5));
    LayerEntry upper = builder.file_with("data", "new");
    StagingTree tree;
    tree.apply(std::vector{lower});
    tree.apply(std::vector{upper});
    Ext4Result result = builder.write(tree);
    CHECK(check_e2fsck(builder.path()) == "");
    CHECK(read_ext4(builder.path()).at("/data").sha256 == sha256("new").hex);
    CHECK(result.is_sparse);
    CHECK(allocated_bytes(builder.path()) < 4 << 20);
}

TEST_CASE("size and free space are what was asked for") {
    ImageBuilder builder;
    builder.options.size = 3ULL << 30;
    LayerEntry content = builder.file_with("content", pattern(10'000'000, 6));
    StagingTree tree;
    tree.apply(std::vector{content});
    Ext4Result result = builder.write(tree);
    ReadFilesystem fs = read_ext4(builder.path());
    CHECK(result.size == 3ULL << 30);
    CHECK(fs.size == result.size);
    CHECK(fs.free_bytes == result.free_bytes);
    CHECK(result.used_bytes + result.free_bytes == result.size);
    CHECK(fs.free_bytes > fs.size - fs.size / 10);
    CHECK(fs.inodes - fs.free_inodes == result.inodes_used);
    CHECK(result.inodes_used == 12);
    CHECK(fs.inodes == fs.size / 16384);
}

TEST_CASE("a size that is too small is an error that says what is needed") {
    ImageBuilder builder;
    LayerEntry content = builder.file_with("content", pattern(40'000'000, 7));
    StagingTree tree;
    tree.apply(std::vector{content});
    builder.options.size = 32ULL << 20;
    Error error = error_of(builder, tree);
    CHECK(error.code() == Errc::no_space);
    CHECK_THAT(error.what(), ContainsSubstring("needs 1073741824"));
    builder.options.size = 256ULL << 20;
    CHECK(builder.write(tree).size == 256ULL << 20);
    CHECK(check_e2fsck(builder.path()) == "");
}

TEST_CASE("an odd size is cut to whole blocks") {
    ImageBuilder builder;
    builder.options.size = (200ULL << 20) + 1234;
    CHECK(builder.write(StagingTree{}).size == 200ULL << 20);
    CHECK(check_e2fsck(builder.path()) == "");
}

TEST_CASE("a lost+found of the image is used as it is") {
    ImageBuilder builder;
    ReadFilesystem fs =
        builder.build({directory("lost+found", 0711), builder.file_with("lost+found/kept", "k")});
    CHECK(fs.at("/lost+found").inode == 11);
    CHECK(fs.at("/lost+found").mode == 0711);
    CHECK(fs.at("/lost+found/kept").sha256 == sha256("k").hex);
}

TEST_CASE("a lost+found that is no directory is refused") {
    ImageBuilder builder;
    StagingTree tree;
    tree.apply(std::vector{file("lost+found")});
    CHECK(error_of(builder, tree).code() == Errc::unsupported);
}

TEST_CASE("a cancelled write stops") {
    ImageBuilder builder;
    std::stop_source stop;
    stop.request_stop();
    try {
        image::write_ext4_blocking(builder.path(), StagingTree{}, builder.options,
                                   stop.get_token());
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == Errc::cancelled);
    }
}
