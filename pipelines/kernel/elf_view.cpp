#include "pipelines/kernel/elf_view.hpp"

#include <elf.h>

#include <cstring>

#include "pipelines/io/error.hpp"

namespace banger::kernel {

namespace {

constexpr std::size_t kMachineOffset = 18;

std::string machine_name(std::uint16_t machine) {
    switch (machine) {
        case EM_X86_64:
            return "x86_64";
        case EM_386:
            return "i386";
        case EM_AARCH64:
            return "aarch64";
        case EM_ARM:
            return "arm";
        case EM_RISCV:
            return "riscv";
        case EM_PPC64:
            return "ppc64";
        case EM_S390:
            return "s390x";
        case EM_MIPS:
            return "mips";
        case 258:
            return "loongarch";  // EM_LOONGARCH, unknown to older elf.h
        default:
            return fmt::format("machine {}", machine);
    }
}

std::uint16_t machine_of(std::string_view bytes) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    const bool big_endian = bytes[EI_DATA] == ELFDATA2MSB;
    const unsigned low = byte(kMachineOffset + (big_endian ? 1 : 0));
    const unsigned high = byte(kMachineOffset + (big_endian ? 0 : 1));
    return static_cast<std::uint16_t>(high << 8 | low);
}

std::uint64_t align_note(std::uint64_t size) {
    return (size + 3) & ~std::uint64_t{3};
}

}  // namespace

bool ElfView::recognizes(std::string_view bytes) {
    return bytes.substr(0, SELFMAG) == std::string_view(ELFMAG, SELFMAG);
}

std::string describe_elf(std::string_view bytes) {
    if (bytes.size() < kMachineOffset + 2) return "an ELF that is cut short";
    return "an ELF for " + machine_name(machine_of(bytes));
}

template <class T>
T ElfView::read(std::uint64_t offset) const {
    T value;
    std::memcpy(&value, slice(offset, sizeof value).data(), sizeof value);
    return value;
}

std::string_view ElfView::slice(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) {
        fail(Errc::invalid_argument,
             "{} is cut short: it has {} bytes and refers to byte {}; copy it again", name_,
             bytes_.size(), offset + size);
    }
    return bytes_.substr(offset, size);
}

ElfView::ElfView(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {
    if (!recognizes(bytes)) fail(Errc::invalid_argument, "{} is not an ELF file", name);
    if (bytes.size() < kMachineOffset + 2 || machine_of(bytes) != EM_X86_64) {
        fail(Errc::invalid_argument, "{} is not for x86_64: it is {}", name, describe_elf(bytes));
    }
    if (bytes[EI_CLASS] != ELFCLASS64 || bytes[EI_DATA] != ELFDATA2LSB) {
        fail(Errc::invalid_argument, "{} is not for x86_64: it is a 32-bit ELF", name);
    }
    const auto header = read<Elf64_Ehdr>(0);
    type_ = header.e_type;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        const auto segment = read<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
        slice(segment.p_offset, segment.p_filesz);
    }
}

std::optional<std::string_view> ElfView::find_section(std::string_view section) const {
    const auto header = read<Elf64_Ehdr>(0);
    const auto section_at = [&](unsigned index) {
        return read<Elf64_Shdr>(header.e_shoff + index * sizeof(Elf64_Shdr));
    };
    if (header.e_shnum == 0 || header.e_shstrndx >= header.e_shnum) return std::nullopt;
    const auto names_header = section_at(header.e_shstrndx);
    const auto names = slice(names_header.sh_offset, names_header.sh_size);
    for (unsigned i = 0; i < header.e_shnum; ++i) {
        const auto candidate = section_at(i);
        if (candidate.sh_name >= names.size() || candidate.sh_type == SHT_NOBITS) continue;
        const auto name = names.substr(candidate.sh_name);
        if (name.substr(0, name.find('\0')) == section) {
            return slice(candidate.sh_offset, candidate.sh_size);
        }
    }
    return std::nullopt;
}

bool ElfView::has_note(std::string_view owner, std::uint32_t type) const {
    const auto header = read<Elf64_Ehdr>(0);
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        const auto segment = read<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
        if (segment.p_type != PT_NOTE) continue;
        const std::uint64_t end = segment.p_offset + segment.p_filesz;
        for (std::uint64_t at = segment.p_offset; at + sizeof(Elf64_Nhdr) <= end;) {
            const auto note = read<Elf64_Nhdr>(at);
            // n_namesz counts the terminating zero.
            const auto name = slice(at + sizeof note, note.n_namesz);
            if (note.n_type == type && name.substr(0, name.find('\0')) == owner) return true;
            at += sizeof note + align_note(note.n_namesz) + align_note(note.n_descsz);
        }
    }
    return false;
}

}  // namespace banger::kernel
