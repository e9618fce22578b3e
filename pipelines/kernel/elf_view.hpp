#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace banger::kernel {

/// A look at an ELF file in memory (System V ABI, ELF-64 little endian), no more than kernels and
/// their modules ask for. Every offset in the file is checked before it is followed: the file may
/// be anything. The bytes outlive the view.
class ElfView {
  public:
    /// Whether the bytes begin as an ELF file of any kind.
    static bool recognizes(std::string_view bytes);

    /// Throws Error{invalid_argument} "`name` is …" unless it is a whole ELF file for x86_64.
    ElfView(std::string_view bytes, std::string_view name);

    /// e_type: ET_EXEC for a kernel, ET_REL for a module.
    std::uint16_t type() const { return type_; }
    /// The content of the first section of that name.
    std::optional<std::string_view> find_section(std::string_view section) const;
    /// Whether a PT_NOTE segment holds a note of that owner and type.
    bool has_note(std::string_view owner, std::uint32_t type) const;

  private:
    template <class T>
    T read(std::uint64_t offset) const;
    std::string_view slice(std::uint64_t offset, std::uint64_t size) const;

    std::string_view bytes_;
    std::string name_;
    std::uint16_t type_ = 0;
};

/// "an ELF for aarch64", by e_machine, whatever else is wrong with it.
std::string describe_elf(std::string_view bytes);

}  // namespace banger::kernel
