#include "test/support/odd_tar.hpp"

#include <cstdio>

namespace banger::test {
namespace {

constexpr std::size_t kBlock = 512;

std::string octal(std::uint64_t value, int width) {
    char text[24];
    std::snprintf(text, sizeof text, "%0*llo", width - 1, static_cast<unsigned long long>(value));
    return {text, static_cast<std::size_t>(width)};
}

std::string joined(const std::vector<SparseRegion>& regions) {
    std::string bytes;
    for (const auto& region : regions)
        bytes += region.bytes;
    return bytes;
}

/// The 24 bytes of a region in an old GNU header.
std::string old_region(const SparseRegion& region) {
    return octal(region.offset, 12) + octal(region.bytes.size(), 12);
}

std::string pax_file(const std::string& path, const std::string& records,
                     const std::string& stored) {
    return TarBuilder()
        .raw(pax_header(records))
        .raw(TarBuilder::header({.path = path}, stored.size()))
        .padded(stored)
        .unfinished();
}

std::string record(const std::string& key, std::uint64_t value) {
    return TarBuilder::pax_record(key, std::to_string(value));
}

}  // namespace

std::string gnu_long(char type, std::string_view text) {
    const std::string body = std::string(text) + '\0';
    const TarEntry entry{.path = "././@LongLink", .type = type};
    return TarBuilder()
        .raw(patched_header(entry, body.size(), 257, std::string_view("ustar  \0", 8)))
        .padded(body)
        .unfinished();
}

std::string pax_header(std::string_view records, char type) {
    return TarBuilder()
        .raw(TarBuilder::header({.path = "PaxHeaders/entry", .type = type}, records.size()))
        .padded(records)
        .unfinished();
}

std::string patched_header(const TarEntry& entry, std::uint64_t size, std::size_t at,
                           std::string_view bytes) {
    auto header = TarBuilder::header(entry, size);
    header.replace(at, bytes.size(), bytes);
    TarBuilder::fix_checksum(header);
    return header;
}

std::string old_gnu_sparse(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions) {
    constexpr std::size_t kInHeader = 4, kInExtension = 21;
    const auto stored = joined(regions);
    std::string fields;  // from offset 386: regions, the flag of more, the real size
    for (std::size_t i = 0; i < std::min(kInHeader, regions.size()); ++i)
        fields += old_region(regions[i]);
    fields.resize(96, '\0');
    fields += regions.size() > kInHeader ? '\1' : '\0';
    fields += octal(size, 12);
    auto header = TarBuilder::header({.path = path, .type = 'S'}, stored.size());
    header.replace(257, 8, std::string("ustar  \0", 8));
    header.replace(345, 150, std::string(150, '\0'));
    header.replace(386, fields.size(), fields);
    TarBuilder::fix_checksum(header);
    TarBuilder tar;
    tar.raw(header);
    for (std::size_t i = kInHeader; i < regions.size(); i += kInExtension) {
        std::string block;
        for (std::size_t j = i; j < std::min(i + kInExtension, regions.size()); ++j)
            block += old_region(regions[j]);
        block.resize(kBlock, '\0');
        if (i + kInExtension < regions.size()) block[504] = '\1';
        tar.raw(block);
    }
    return tar.padded(stored).unfinished();
}

std::string pax_sparse_0_0(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions) {
    auto records = record("GNU.sparse.size", size) + record("GNU.sparse.numblocks", regions.size());
    for (const auto& region : regions) {
        records += record("GNU.sparse.offset", region.offset) +
                   record("GNU.sparse.numbytes", region.bytes.size());
    }
    return pax_file(path, records, joined(regions));
}

std::string pax_sparse_0_1(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions) {
    std::string map;
    for (const auto& region : regions) {
        map += (map.empty() ? "" : ",") + std::to_string(region.offset) + "," +
               std::to_string(region.bytes.size());
    }
    return pax_file("GNUSparseFile.1/x",
                    TarBuilder::pax_record("GNU.sparse.name", path) +
                        record("GNU.sparse.size", size) +
                        record("GNU.sparse.numblocks", regions.size()) +
                        TarBuilder::pax_record("GNU.sparse.map", map),
                    joined(regions));
}

std::string pax_sparse_1_0(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions) {
    std::string map = std::to_string(regions.size()) + "\n";
    for (const auto& region : regions) {
        map += std::to_string(region.offset) + "\n" + std::to_string(region.bytes.size()) + "\n";
    }
    map.append((kBlock - map.size() % kBlock) % kBlock, '\0');
    return pax_file("GNUSparseFile.1/x",
                    record("GNU.sparse.major", 1) + record("GNU.sparse.minor", 0) +
                        TarBuilder::pax_record("GNU.sparse.name", path) +
                        record("GNU.sparse.realsize", size),
                    map + joined(regions));
}

}  // namespace banger::test
