#include "test/integration/layers/layer_case.hpp"
#include "test/support/odd_tar.hpp"

using namespace banger;
using namespace banger::test;

namespace {

TarBuilder layer() {
    return {};
}

std::string pax(const std::string& key, const std::string& value) {
    return TarBuilder::pax_record(key, value);
}

/// An image whose one layer is exactly these bytes.
ImageSpec exactly(const std::string& tar) {
    return {{{.tar = tar, .packing = Packing::plain}}};
}

/// A layer that holds a file 'f' whose header has this in its size field.
TarBuilder with_size_field(std::string_view field) {
    return layer().raw(patched_header({.path = "f"}, 0, 124, field)).raw(std::string(4096, 'x'));
}

/// 1 MiB with three islands: at a block's start, within a block, and at the end.
const std::vector<SparseRegion> kIslands{
    {8192, std::string(5000, 'a')}, {200'000, "lonely"}, {1'048'000, std::string(576, 'z')}};

std::string islands_as_written() {
    std::string bytes(1'048'576, '\0');
    for (const auto& region : kIslands)
        bytes.replace(region.offset, region.bytes.size(), region.bytes);
    return bytes;
}

/// `count` regions of one byte, 1 KiB apart.
std::vector<SparseRegion> specks(std::size_t count) {
    std::vector<SparseRegion> regions;
    for (std::size_t i = 0; i < count; ++i)
        regions.push_back({i * 1024, "s"});
    return regions;
}

}  // namespace

TEST_CASE("pax global headers have no say", "[L66]") {
    const auto tree = tree_of(
        {layer()
             .raw(pax_header(pax("comment", "0123") + pax("uid", "7") + pax("path", "evil"), 'g'))
             .file("f", "x")});
    CHECK(tree.names() == "/f");
    CHECK(tree["/f"].uid == 0);
}

TEST_CASE("damaged pax records are errors, never skipped", "[L67]") {
    for (const std::string records :
         {"99 path=x\n", "xx path=x\n", "9 path=xy", "12 path=x\n__", "6 path\n", "5 =x\n",
          "0 a=b\n", "-1 a=b\n", "18446744073709551621 a=b\n", "path=x\n", "11 path=x\n",
          " 9 path=x\n"}) {
        CAPTURE(records);
        CHECK_FALSE(refusal_of({layer().raw(pax_header(records)).file("f", "x")}).empty());
    }
    const auto cut = pax("path", std::string(600, 'p')).substr(0, 512);
    CHECK_FALSE(refusal_of({layer().raw(pax_header(cut)).file("f", "x")}).empty());
    for (const auto& [key, value] : std::map<std::string, std::string>{
             {"size", "1x"}, {"size", "-1"}, {"uid", "nobody"}, {"mtime", "today"}}) {
        CAPTURE(key, value);
        CHECK_FALSE(refusal_of({layer().raw(pax_header(pax(key, value))).file("f", "x")}).empty());
    }
}

TEST_CASE("a pax header without its entry is an error", "[L67]") {
    CHECK_FALSE(refusal_of({layer().file("a", "x").raw(pax_header(pax("path", "b")))}).empty());
}

TEST_CASE("a contiguous file is a file, a volume label is passed over with a warning", "[L68]") {
    const auto tree = tree_of({layer()
                                   .add({.path = "label", .type = 'V'})
                                   .add({.path = "f", .type = '7', .content = "x"})});
    CHECK(tree.names() == "/f");
    CHECK(tree.holds("/f", "x"));
    CHECK(tree.warns("label"));
}

TEST_CASE("an entry that only GNU tar's own dumps have, or nobody, is an error", "[L68]") {
    for (const char type : {'D', 'M', 'Z', 'N', 'A', '8'}) {
        CAPTURE(type);
        CHECK_THAT(refusal_of({layer().add({.path = "odd", .type = type, .content = "x"})}),
                   ContainsSubstring("'odd'") && ContainsSubstring(std::string("'") + type + "'"));
    }
}

TEST_CASE("sparse files of all four kinds have their content and their holes", "[L69]") {
    const auto whole = islands_as_written();
    const auto tree = tree_of({layer()
                                   .raw(old_gnu_sparse("old", whole.size(), kIslands))
                                   .raw(pax_sparse_0_0("p00", whole.size(), kIslands))
                                   .raw(pax_sparse_0_1("p01", whole.size(), kIslands))
                                   .raw(pax_sparse_1_0("p10", whole.size(), kIslands))
                                   .file("after", "x")});
    CHECK(tree.names() == "/after /old /p00 /p01 /p10");
    for (const auto* path : {"/old", "/p00", "/p01", "/p10"}) {
        CAPTURE(path);
        CHECK(tree.holds(path, whole));
        std::uint64_t blocks = 0;
        for (const auto& extent : tree[path].extents)
            blocks += extent.count;
        CHECK(blocks == 4);
    }
    CHECK(tree.holds("/after", "x"));
}

TEST_CASE("a sparse file's map may go over many blocks, and be empty", "[L69]") {
    const auto many = specks(100);
    std::string whole(100 * 1024, '\0');
    for (const auto& region : many)
        whole[region.offset] = 's';
    const auto tree = tree_of({layer()
                                   .raw(old_gnu_sparse("old", whole.size(), many))
                                   .raw(pax_sparse_1_0("p10", whole.size(), many))
                                   .raw(old_gnu_sparse("hole", 123'456, {}))
                                   .raw(pax_sparse_1_0("hole10", 123'456, {}))});
    CHECK(tree.holds("/old", whole));
    CHECK(tree.holds("/p10", whole));
    CHECK(tree.holds("/hole", std::string(123'456, '\0')));
    CHECK(tree["/hole"].extents.empty());
    CHECK(tree.holds("/hole10", std::string(123'456, '\0')));
}

TEST_CASE("a sparse file of more than 65,536 regions is an error", "[L69]") {
    const auto many = specks(65'537);
    const auto size = many.size() * 1024;
    for (const auto& tar : {old_gnu_sparse("f", size, many), pax_sparse_0_1("f", size, many),
                            pax_sparse_1_0("f", size, many)}) {
        CHECK_THAT(refusal_of({layer().raw(tar)}),
                   ContainsSubstring("sparse") && ContainsSubstring("65536 regions"));
    }
    // 0.0 takes two records for a region: the header is too long first.
    CHECK_THAT(refusal_of({layer().raw(pax_sparse_0_0("f", size, many))}),
               ContainsSubstring("1 MiB"));
}

TEST_CASE("a sparse map that contradicts itself is an error", "[L69]") {
    const std::vector<std::vector<SparseRegion>> bad{
        {{8192, "ab"}, {0, "cd"}}, {{0, "abcd"}, {2, "ef"}}, {{1'000'000, "beyond"}}};
    for (const auto& regions : bad) {
        CHECK_FALSE(refusal_of({layer().raw(old_gnu_sparse("f", 10'000, regions))}).empty());
        CHECK_FALSE(refusal_of({layer().raw(pax_sparse_0_1("f", 10'000, regions))}).empty());
        CHECK_FALSE(refusal_of({layer().raw(pax_sparse_1_0("f", 10'000, regions))}).empty());
    }
    for (const auto* map : {"0", "0,5,", "0,x", "-1,5", "0,5,7", "99999999999999999999,1"}) {
        CAPTURE(map);
        CHECK_FALSE(refusal_of({layer().add({.path = "f",
                                             .content = "12345",
                                             .pax = {{"GNU.sparse.size", "10"},
                                                     {"GNU.sparse.numblocks", "1"},
                                                     {"GNU.sparse.map", map}}})})
                        .empty());
    }
    for (const auto* map : {"1\n0\n", "x\n", "1\n0\n5x\n", "99999999999999999999\n", "2\n0\n5\n"}) {
        CAPTURE(map);
        CHECK_FALSE(refusal_of({layer().add({.path = "f",
                                             .content = std::string(map) + std::string(512, '\0'),
                                             .pax = {{"GNU.sparse.major", "1"},
                                                     {"GNU.sparse.minor", "0"},
                                                     {"GNU.sparse.realsize", "10"}}})})
                        .empty());
    }
}

TEST_CASE("a tar inside a file whose size pax tells stays inside the file", "[L70]") {
    auto inner = layer().file("evil", "x").unfinished();
    inner.resize(1024, '\0');
    const auto tree = tree_of({layer()
                                   .raw(pax_header(pax("size", "1024")))
                                   .raw(TarBuilder::header({.path = "f"}, 0))
                                   .padded(inner)
                                   .file("after", "y")});
    CHECK(tree.names() == "/after /f");
    CHECK(tree.holds("/f", inner));
}

TEST_CASE("a header that claims gigabytes of names is refused before it is believed", "[L71]") {
    for (const char type : {'x', 'g', 'L', 'K'}) {
        CAPTURE(type);
        CHECK_THAT(refusal_of({layer()
                                   .raw(TarBuilder::header({.path = "x", .type = type}, 8ull << 30))
                                   .raw(std::string(8192, 'x'))}),
                   ContainsSubstring("1 MiB"));
    }
}

TEST_CASE("a size that cannot be is an error naming the entry", "[L71]") {
    const std::string most("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
    const std::string more("\x80\x01\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
    const std::string negative(12, '\xff');
    for (const std::string& field :
         {most, more, negative, std::string("0000000000x\0", 12), std::string("99999999999\0", 12),
          std::string("-0000000001\0", 12), std::string("000 0000001\0", 12)}) {
        CAPTURE(field);
        CHECK_THAT(refusal_of({with_size_field(field)}), ContainsSubstring("'f'"));
    }
}

TEST_CASE("numbers may be padded with spaces, or be absent", "[L71]") {
    for (const std::string& field : {std::string("          0 "), std::string("         0\0\0", 12),
                                     std::string(12, '\0'), std::string(12, ' ')}) {
        CAPTURE(field);
        const auto tree = tree_of({layer().raw(patched_header({.path = "f"}, 0, 124, field))});
        CHECK(tree.holds("/f", ""));
    }
}

TEST_CASE("an empty value in pax leaves the header's own", "[L67]") {
    const auto tree = tree_of({layer()
                                   .raw(pax_header(pax("uid", "") + pax("path", "")))
                                   .add({.path = "f", .content = "x", .uid = 7})});
    CHECK(tree.holds("/f", "x"));
    CHECK(tree["/f"].uid == 7);
}

TEST_CASE("a lone block of zeros between entries is an error", "[L73]") {
    const auto tar = layer().file("a", "x").unfinished() + std::string(512, '\0') +
                     layer().file("b", "y").finish();
    CHECK_THAT(refusal_of_image(exactly(tar)), ContainsSubstring("zeros"));
}

TEST_CASE("a tar cut within an entry's data is an error naming it", "[L72]") {
    const auto tar = layer().file("a", std::string(2000, 'x')).unfinished();
    for (const std::size_t size : {100u, 513u, 1000u, 2500u}) {
        CAPTURE(size);
        CHECK_FALSE(refusal_of_image(exactly(tar.substr(0, size))).empty());
    }
    CHECK_THAT(refusal_of_image(exactly(tar.substr(0, 1000))), ContainsSubstring("'a'"));
}

TEST_CASE("the padding behind the last file may be missing", "[L72]") {
    const auto tar = layer().file("a", "x").unfinished();
    CHECK(tree_of_image(exactly(tar.substr(0, tar.size() - 511))).holds("/a", "x"));
}

TEST_CASE("whole entries without the two blocks at the end are enough", "[L72]") {
    CHECK(tree_of_image(exactly(layer().file("a", "x").unfinished())).holds("/a", "x"));
    const auto one_block = layer().file("a", "x").unfinished() + std::string(512, '\0');
    CHECK(tree_of_image(exactly(one_block)).holds("/a", "x"));
}

TEST_CASE("what stands behind the end is hashed but not applied", "[L73]") {
    const auto tar = layer().file("a", "x").finish();
    CHECK(tree_of_image(exactly(tar + layer().file("b", "y").finish())).names() == "/a");
    CHECK(tree_of_image(exactly(tar + std::string(9'001, 'j'))).names() == "/a");
}

TEST_CASE("a header whose checksum is wrong is an error", "[L73]") {
    auto tar = layer().file("a", "x").file("b", "y").finish();
    tar[1024 + 10] = 'Z';
    CHECK_THAT(refusal_of_image(exactly(tar)), ContainsSubstring("checksum"));
    tar = layer().file("a", "x").finish();
    tar[10] = 'Z';
    CHECK_FALSE(refusal_of_image(exactly(tar)).empty());
    CHECK_FALSE(refusal_of_image(exactly(std::string(2000, 'j'))).empty());
}

TEST_CASE("a tar of zeros only, or of nothing, changes nothing", "[L74]") {
    for (const std::size_t size : {0u, 512u, 1024u, 10'240u}) {
        CAPTURE(size);
        const auto tree = tree_of_image(
            {{{.tar = layer().file("a", "x").finish()}, {.tar = std::string(size, '\0')}}});
        CHECK(tree.names() == "/a");
    }
}
