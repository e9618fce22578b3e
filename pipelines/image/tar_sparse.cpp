#include "pipelines/image/tar_sparse.hpp"

#include <charconv>
#include <string>

#include "pipelines/image/tar_header.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kMaxRegions = 65'536;
constexpr std::size_t kMaxDigits = 20;

[[noreturn]] void fail_damaged() {
    fail(Errc::invalid_argument, "the map of a sparse file is damaged");
}

std::uint64_t number_of(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number) fail_damaged();
    return *number;
}

/// The lines of a map, block after block.
class Lines {
  public:
    explicit Lines(const std::function<std::string_view()>& next_block) : next_block_(next_block) {}

    std::uint64_t next_number() {
        std::string line;
        for (;;) {
            if (left_.empty()) left_ = next_block_();
            const char c = left_.front();
            left_.remove_prefix(1);
            if (c == '\n') return number_of(line);
            line += c;
            if (line.size() > kMaxDigits) fail_damaged();
        }
    }

  private:
    const std::function<std::string_view()>& next_block_;
    std::string_view left_;
};

}  // namespace

void add_region(SparseMap& map, SparseRegion region) {
    if (map.size() == kMaxRegions) {
        fail(Errc::invalid_argument, "a sparse file has more than {} regions", kMaxRegions);
    }
    map.push_back(region);
}

SparseMap parse_sparse_map(std::string_view text) {
    SparseMap map;
    const auto next = [&] {
        const auto comma = text.find(',');
        const auto number = number_of(text.substr(0, comma));
        text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
        return std::pair(number, comma != text.npos);
    };
    for (bool more = true; more;) {
        const auto [offset, has_size] = next();
        if (!has_size) fail_damaged();
        const auto [size, has_more] = next();
        add_region(map, {offset, size});
        more = has_more;
    }
    return map;
}

void add_old_gnu_regions(SparseMap& map, std::string_view fields) {
    for (; fields.size() >= 24 && fields[0] != '\0'; fields.remove_prefix(24)) {
        const auto offset = parse_tar_number(fields.substr(0, 12));
        const auto size = parse_tar_number(fields.substr(12, 12));
        if (!offset || !size || *offset < 0 || *size < 0) fail_damaged();
        add_region(map, {static_cast<std::uint64_t>(*offset), static_cast<std::uint64_t>(*size)});
    }
}

SparseMap read_sparse_map(const std::function<std::string_view()>& next_block) {
    Lines lines(next_block);
    SparseMap map;
    const auto count = lines.next_number();
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto offset = lines.next_number();
        add_region(map, {offset, lines.next_number()});
    }
    return map;
}

void check_sparse_map(const SparseMap& map, std::uint64_t size, std::uint64_t stored) {
    std::uint64_t end = 0, together = 0;
    for (const auto& region : map) {
        // In this order nothing can overflow.
        if (region.offset < end || region.offset > size || region.size > size - region.offset) {
            fail_damaged();
        }
        end = region.offset + region.size;
        together += region.size;
    }
    if (together != stored) fail_damaged();
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_whole = result.ec == std::errc{} && result.ptr == text.data() + text.size();
    return is_whole && !text.empty() ? std::optional(value) : std::nullopt;
}

}  // namespace banger::image
