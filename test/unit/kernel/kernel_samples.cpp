#include "test/unit/kernel/kernel_samples.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>

namespace banger::test {

namespace {

template <class T>
void append(std::string& bytes, const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

using Writer = std::unique_ptr<archive, decltype(&archive_write_free)>;

void check(archive* writer, int result) {
    if (result != ARCHIVE_OK) throw std::runtime_error(archive_error_string(writer));
}

la_ssize_t collect(archive*, void* into, const void* bytes, std::size_t size) {
    static_cast<std::string*>(into)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
}

Writer open_writer(std::string& into, const std::string& filter, const std::string& format) {
    Writer writer(archive_write_new(), archive_write_free);
    if (filter != "none") {
        check(writer.get(), archive_write_add_filter_by_name(writer.get(), filter.c_str()));
    }
    check(writer.get(), archive_write_set_format_by_name(writer.get(), format.c_str()));
    check(writer.get(), archive_write_set_bytes_in_last_block(writer.get(), 1));
    check(writer.get(), archive_write_open(writer.get(), &into, nullptr, collect, nullptr));
    return writer;
}

void write_entry(archive* writer, const DebFile& file) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              archive_entry_free);
    archive_entry_set_pathname(entry.get(), file.path.c_str());
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.size()));
    if (!file.link_target.empty() && file.hard) {
        archive_entry_set_hardlink(entry.get(), file.link_target.c_str());
    } else if (!file.link_target.empty()) {
        archive_entry_set_filetype(entry.get(), AE_IFLNK);
        archive_entry_set_symlink(entry.get(), file.link_target.c_str());
    }
    check(writer, archive_write_header(writer, entry.get()));
    if (archive_write_data(writer, file.content.data(), file.content.size()) < 0) {
        throw std::runtime_error(archive_error_string(writer));
    }
}

std::string pack(const std::vector<DebFile>& files, const std::string& filter,
                 const std::string& format) {
    std::string bytes;
    const auto writer = open_writer(bytes, filter, format);
    for (const auto& file : files)
        write_entry(writer.get(), file);
    check(writer.get(), archive_write_close(writer.get()));
    return bytes;
}

std::string pvh_note() {
    std::string note;
    append(note, Elf64_Nhdr{4, 8, 18});
    note.append("Xen\0", 4);
    append(note, std::uint64_t{0x1000000});
    return note;
}

}  // namespace

std::string make_elf(const ElfSample& sample) {
    const auto note = sample.pvh_note ? pvh_note() : std::string{};
    std::string body = note;
    std::string names("\0", 1);
    std::vector<Elf64_Shdr> headers(1, Elf64_Shdr{});
    const std::size_t start = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    auto sections = sample.sections;
    sections.emplace_back(".shstrtab", "");
    for (const auto& [name, content] : sections) {
        Elf64_Shdr header{};
        header.sh_name = static_cast<Elf64_Word>(names.size());
        header.sh_type = SHT_PROGBITS;
        header.sh_offset = start + body.size();
        header.sh_size = content.size();
        headers.push_back(header);
        names += name + '\0';
        body += content;
    }
    headers.back().sh_size = names.size();
    body += names;

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = sample.type;
    header.e_machine = sample.machine;
    header.e_phoff = sizeof(Elf64_Ehdr);
    header.e_phnum = 2;
    header.e_shoff = start + body.size();
    header.e_shnum = static_cast<Elf64_Half>(headers.size());
    header.e_shstrndx = static_cast<Elf64_Half>(headers.size() - 1);
    Elf64_Phdr notes{};
    notes.p_type = PT_NOTE;
    notes.p_offset = start;
    notes.p_filesz = note.size();
    Elf64_Phdr load{};
    load.p_type = PT_LOAD;
    load.p_offset = start;
    load.p_filesz = body.size();

    std::string bytes;
    append(bytes, header);
    append(bytes, notes);
    append(bytes, load);
    bytes += body;
    for (const auto& section : headers)
        append(bytes, section);
    return bytes;
}

std::string make_vmlinux(std::string_view version, bool pvh, std::size_t padding) {
    std::string noise(padding, '\0');
    std::minstd_rand random(42);  // NOLINT: the same in every run
    for (auto& byte : noise)
        byte = static_cast<char>(random());
    const auto banner = "Linux version %s (%s)\n" + std::string(1, '\0') + "Linux version " +
                        std::string(version) + " (builder@host) #1 SMP\n";
    return make_elf({.pvh_note = pvh, .sections = {{".rodata", banner}, {".text", noise}}});
}

std::string make_module(const std::vector<std::string>& modinfo) {
    std::string section;
    for (const auto& line : modinfo)
        section += line + '\0';
    return make_elf({.type = ET_REL, .sections = {{".text", "code"}, {".modinfo", section}}});
}

std::string le32(std::uint32_t value) {
    std::string bytes;
    append(bytes, value);
    return bytes;
}

std::string make_bzimage(std::string_view payload) {
    std::string image(1024, '\0');
    const std::uint32_t payload_offset = 0x40;
    image[0x1f1] = 1;
    image.replace(0x1fe, 2, "\x55\xaa");
    image.replace(0x202, 4, "HdrS");
    image.replace(0x206, 2, "\x0f\x02");
    image.replace(0x248, 4, le32(payload_offset));
    image.replace(0x24c, 4, le32(static_cast<std::uint32_t>(payload.size())));
    image.append(payload_offset, '\x90');
    image += payload;
    return image + std::string(64, '\0');
}

std::string compress(std::string_view plain, const std::string& format) {
    return pack({{"data", std::string(plain)}}, format, "raw");
}

std::string compress_lz4_legacy(std::string_view plain) {
    // One block: a token that announces literals only, their count in steps of 255, the literals.
    std::string block("\xf0");
    auto rest = plain.size() - 15;
    for (; rest >= 255; rest -= 255)
        block += '\xff';
    block += static_cast<char>(rest);
    block += plain;
    return "\x02\x21\x4c\x18" + le32(static_cast<std::uint32_t>(block.size())) + block;
}

std::string make_payload(std::string_view vmlinux, const std::string& format) {
    if (format == "gzip") return compress(vmlinux, format);
    const auto packed = format == "lz4" ? compress_lz4_legacy(vmlinux) : compress(vmlinux, format);
    return packed + le32(static_cast<std::uint32_t>(vmlinux.size()));
}

std::string make_deb(const std::vector<DebFile>& files, const std::string& format) {
    const std::map<std::string, std::string> suffixes{
        {"xz", ".xz"}, {"gzip", ".gz"}, {"zstd", ".zst"}, {"none", ""}};
    return pack(
        {{"debian-binary", "2.0\n"},
         {"control.tar", pack({{"./control", "Package: linux-image-test\n"}}, "none", "ustar")},
         {"data.tar" + suffixes.at(format), pack(files, format, "ustar")}},
        "none", "arbsd");
}

void save(const std::string& path, std::string_view bytes) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
}

std::map<std::string, std::string> load_tree(const std::string& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream file(entry.path(), std::ios::binary);
        files[entry.path().lexically_relative(directory).string()] =
            std::string(std::istreambuf_iterator<char>(file), {});
    }
    return files;
}

}  // namespace banger::test
