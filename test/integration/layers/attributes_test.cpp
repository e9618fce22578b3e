#include "test/integration/layers/layer_case.hpp"

using namespace banger;
using namespace banger::test;

namespace {

using Xattrs = std::map<std::string, std::string>;

TarBuilder layer() {
    return {};
}

const std::string kCapability("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);

Xattrs schily(const Xattrs& xattrs) {
    Xattrs records;
    for (const auto& [name, value] : xattrs)
        records["SCHILY.xattr." + name] = value;
    return records;
}

/// The access ACL of user::rw-,user:7:r--,group::r--,mask::r--,other::--- as setxattr(2) has it.
const std::string kAcl(
    "\x02\0\0\0"
    "\x01\0\x06\0\xff\xff\xff\xff"
    "\x02\0\x04\0\x07\0\0\0"
    "\x04\0\x04\0\xff\xff\xff\xff"
    "\x10\0\x04\0\xff\xff\xff\xff"
    "\x20\0\x00\0\xff\xff\xff\xff",
    44);

}  // namespace

TEST_CASE("setuid and setgid survive an owner that is not root", "[L55]") {
    const auto tree =
        tree_of({layer().add({.path = "f", .content = "x", .mode = 06755, .uid = 10, .gid = 11})});
    CHECK(tree["/f"].mode == 06755);
    CHECK(tree["/f"].uid == 10);
    CHECK(tree["/f"].gid == 11);
}

TEST_CASE("a directory keeps setgid and sticky", "[L56]") {
    CHECK(tree_of({layer().dir("d", 03777)})["/d"].mode == 03777);
}

TEST_CASE("owners are 32 bits wide, in base-256 or pax, and names do not count", "[L57]") {
    auto named = TarBuilder::header({.path = "named", .uid = 5, .gid = 6}, 0);
    named.replace(265, 6, "daemon");
    named.replace(297, 6, "daemon");
    TarBuilder::fix_checksum(named);
    const auto tree = tree_of({layer()
                                   .add({.path = "base256", .uid = 2147483653, .gid = 4000000000})
                                   .add({.path = "pax",
                                         .uid = 1,
                                         .gid = 2,
                                         .pax = {{"uid", "2147483653"},
                                                 {"gid", "4000000000"},
                                                 {"uname", "daemon"},
                                                 {"gname", "daemon"}}})
                                   .raw(named)});
    for (const auto* path : {"/base256", "/pax"}) {
        CHECK(tree[path].uid == 2147483653u);
        CHECK(tree[path].gid == 4000000000u);
    }
    CHECK(tree["/named"].uid == 5);
    CHECK(tree["/named"].gid == 6);
    CHECK_THAT(refusal_of({layer().add({.path = "f", .uid = 1ll << 33})}),
               ContainsSubstring("'f'"));
}

TEST_CASE("times are kept to the nanosecond, before 1970 and after 2242", "[L58]") {
    const auto tree =
        tree_of({layer()
                     .add({.path = "d/", .type = '5', .mtime = 1234})
                     .add({.path = "d/early", .mtime = -5})
                     .add({.path = "d/late", .mtime = 8589934599})
                     .add({.path = "d/fine", .pax = {{"mtime", "1700000000.123456789"}}})
                     .add({.path = "d/finer", .pax = {{"mtime", "1700000000.1234567891"}}})
                     .add({.path = "d/before", .pax = {{"mtime", "-1.5"}}})
                     .add({.path = "d/short", .pax = {{"mtime", "17.25"}}})});
    const auto time_of = [&](const char* path) {
        return std::pair(tree[path].mtime, tree[path].mtime_ns);
    };
    CHECK(time_of("/d/early") == std::pair(std::int64_t{-5}, 0u));
    CHECK(time_of("/d/late") == std::pair(std::int64_t{8589934599}, 0u));
    CHECK(time_of("/d/fine") == std::pair(std::int64_t{1700000000}, 123456789u));
    CHECK(time_of("/d/finer") == std::pair(std::int64_t{1700000000}, 123456789u));
    CHECK(time_of("/d/before") == std::pair(std::int64_t{-2}, 500000000u));
    CHECK(time_of("/d/short") == std::pair(std::int64_t{17}, 250000000u));
    CHECK(time_of("/d") == std::pair(std::int64_t{1234}, 0u));
}

TEST_CASE("xattrs are kept byte by byte", "[L59]") {
    const Xattrs xattrs{{"user.note", std::string("a\0b\n=\xff", 6)},
                        {"user.empty", ""},
                        {"user.odd=name", "x"},
                        {"security.capability", kCapability},
                        {"trusted.t", "t"}};
    auto without_odd = xattrs;
    without_odd.erase("user.odd=name");  // a pax keyword ends at its first '='
    const auto tree =
        tree_of({layer()
                     .add({.path = "f", .pax = schily(without_odd)})
                     .add({.path = "d/", .type = '5', .pax = schily({{"user.d", "1"}})})});
    CHECK(tree["/f"].xattrs == without_odd);
    CHECK(tree["/d"].xattrs == Xattrs{{"user.d", "1"}});
}

TEST_CASE("libarchive's base64 xattrs come out as SCHILY's do", "[L60]") {
    const auto tree = tree_of({layer()
                                   .add({.path = "a", .pax = schily({{"user.y", "two"}})})
                                   .add({.path = "b", .pax = {{"LIBARCHIVE.xattr.user.y", "dHdv"}}})
                                   .add({.path = "c",
                                         .pax = {{"LIBARCHIVE.xattr.user.%C3%A9", "dHc="},
                                                 {"LIBARCHIVE.xattr.user.z", "dA"}}})});
    CHECK(tree["/a"].xattrs == Xattrs{{"user.y", "two"}});
    CHECK(tree["/b"].xattrs == tree["/a"].xattrs);
    CHECK(tree["/c"].xattrs == Xattrs{{"user.\xc3\xa9", "tw"}, {"user.z", "t"}});
}

TEST_CASE("a file replaced without xattrs has none left", "[L61]") {
    const auto tree = tree_of(
        {layer().add({.path = "f", .pax = schily({{"user.x", "1"}})}), layer().file("f", "new")});
    CHECK(tree["/f"].xattrs.empty());
}

TEST_CASE("an overlay's own xattrs are dropped with a warning", "[L62]") {
    const auto tree = tree_of({layer().add(
        {.path = "d/",
         .type = '5',
         .pax = schily({{"trusted.overlay.opaque", "y"}, {"user.overlay.opaque", "y"}})})});
    CHECK(tree["/d"].xattrs == Xattrs{{"user.overlay.opaque", "y"}});
    CHECK(tree.warns("trusted.overlay.opaque"));
}

TEST_CASE("xattrs too large for a block are kept, beyond the limits an error", "[L63]") {
    const Xattrs large{{"user.a", std::string(5'000, 'a')}, {"user.b", std::string(60'000, 'b')}};
    CHECK(tree_of({layer().add({.path = "f", .pax = schily(large)})})["/f"].xattrs == large);
    const Xattrs too_large{{"user.c", std::string(65'537, 'c')}};
    CHECK_THAT(refusal_of({layer().add({.path = "f", .pax = schily(too_large)})}),
               ContainsSubstring("'f'") && ContainsSubstring("user.c"));
    Xattrs together;
    for (char c = 'a'; c < 'f'; ++c)
        together[std::string("user.") + c] = std::string(60'000, c);
    CHECK_THAT(refusal_of({layer().add({.path = "f", .pax = schily(together)})}),
               ContainsSubstring("'f'") && ContainsSubstring("256 KiB"));
    Xattrs names;
    for (int i = 0; i < 1'000; ++i)
        names["user." + std::to_string(i) + std::string(270, 'n')] = "";
    CHECK_THAT(refusal_of({layer().add({.path = "f", .pax = schily(names)})}),
               ContainsSubstring("'f'") && ContainsSubstring("256 KiB"));
}

TEST_CASE("POSIX ACLs become what the kernel has of them", "[L64]") {
    const std::string text = "user::rw-,user:bin:r--:7,group::r--,mask::r--,other::---";
    const auto tree = tree_of(
        {layer()
             .add({.path = "f", .mode = 0640, .pax = {{"SCHILY.acl.access", text}}})
             .add({.path = "d/", .type = '5', .mode = 0755, .pax = {{"SCHILY.acl.default", text}}})
             .add({.path = "named",
                   .pax = {{"SCHILY.acl.access",
                            "user::rw-,user:bob:r--,group::r--,"
                            "mask::r--,other::---"}}})});
    CHECK(tree["/f"].xattrs == Xattrs{{"system.posix_acl_access", kAcl}});
    CHECK(tree["/d"].xattrs == Xattrs{{"system.posix_acl_default", kAcl}});
    CHECK(tree["/named"].xattrs.empty());
    CHECK(tree.warns("'named'"));
}

TEST_CASE("devices and fifos have their numbers, without any privilege", "[L65]") {
    const auto tree = tree_of({layer()
                                   .device("small", '3', 1, 3)
                                   .device("wide", '3', 259, 70'000)
                                   .device("block", '4', 8, 300)
                                   .add({.path = "fifo", .type = '6', .mode = 0600})});
    const auto numbers = [&](const char* path) {
        return std::pair(tree[path].device_major, tree[path].device_minor);
    };
    CHECK(tree["/small"].type == 'c');
    CHECK(numbers("/small") == std::pair(1u, 3u));
    CHECK(numbers("/wide") == std::pair(259u, 70'000u));
    CHECK(tree["/block"].type == 'b');
    CHECK(numbers("/block") == std::pair(8u, 300u));
    CHECK(tree["/fifo"].type == 'p');
    CHECK(tree["/fifo"].mode == 0600);
    CHECK_THAT(refusal_of({layer().device("far", '3', 4096, 0)}), ContainsSubstring("'far'"));
}
