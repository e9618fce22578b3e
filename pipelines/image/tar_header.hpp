#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace banger::image {

inline constexpr std::size_t kTarBlock = 512;

/// A number as tars write it: octal digits with spaces or NULs around them, nothing at all (0), or
/// base-256 where the first bit is set. Nullopt for anything else and for what 64 bits do not hold.
std::optional<std::int64_t> parse_tar_number(std::string_view field);

/// One header block of a tar: v7, ustar, GNU or star. Refers to the block, which outlives it.
/// Fields are parsed where they are asked for; all that take `name` throw Error{invalid_argument}
/// with it when theirs is no number.
class TarHeader {
  public:
    explicit TarHeader(std::span<const char, kTarBlock> block);

    /// All zeros: the end of a tar.
    bool is_zero() const;
    bool has_right_checksum() const;

    char type() const { return block_[156]; }
    /// With ustar's prefix.
    std::string path() const;
    std::string link() const { return std::string(text(157, 100)); }
    std::uint64_t size(std::string_view name) const;
    std::int64_t mode(std::string_view name) const { return number(100, 8, "mode", name); }
    std::int64_t uid(std::string_view name) const { return number(108, 8, "owner", name); }
    std::int64_t gid(std::string_view name) const { return number(116, 8, "group", name); }
    std::int64_t mtime(std::string_view name) const { return number(136, 12, "time", name); }
    std::uint32_t device_major(std::string_view name) const { return device(329, name); }
    std::uint32_t device_minor(std::string_view name) const { return device(337, name); }

    std::string_view field(std::size_t at, std::size_t width) const {
        return {block_.data() + at, width};
    }

  private:
    enum class Format { v7, ustar, gnu, star };
    Format format() const;
    std::string_view text(std::size_t at, std::size_t width) const;
    std::string_view prefix() const;
    std::int64_t number(std::size_t at, std::size_t width, std::string_view what,
                        std::string_view name) const;
    std::uint32_t device(std::size_t at, std::string_view name) const;

    std::span<const char, kTarBlock> block_;
};

/// Throws Error{invalid_argument}: "bad tar entry 'NAME': WHY".
[[noreturn]] void refuse_entry(std::string_view name, std::string_view why);

}  // namespace banger::image
