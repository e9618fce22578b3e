#include "pipelines/kernel/module_file.hpp"

#include <elf.h>

#include <algorithm>

#include "pipelines/io/error.hpp"
#include "pipelines/kernel/elf_view.hpp"

namespace banger::kernel {

namespace {

constexpr std::string_view kSuffixes[] = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};

std::string_view base_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        if (end > 0) words.push_back(normalize_module(text.substr(0, end)));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

/// "pre: a b post: c": the names before the module.
void append_preferred(std::string_view softdep, std::vector<std::string>& prefers) {
    bool before = false;
    for (auto& word : split(softdep, ' ')) {
        if (word.ends_with(':')) {
            before = word == "pre:";
        } else if (before) {
            // An alias that file systems ask for; the module behind it has another name.
            prefers.push_back(word == "crc32c" ? "crc32c_generic" : std::move(word));
        }
    }
}

}  // namespace

void visit_tree(const std::string& directory,
                const std::function<void(const std::filesystem::directory_entry&)>& visit) {
    std::error_code error;
    std::filesystem::recursive_directory_iterator it(directory, error), end;
    if (error == std::errc::no_such_file_or_directory) return;
    for (; !error && it != end; it.increment(error))
        visit(*it);
    if (error) fail_errno(error.value(), "cannot read the directories below {}", directory);
}

std::string normalize_module(std::string_view name) {
    std::string normal(name);
    std::replace(normal.begin(), normal.end(), '-', '_');
    return normal;
}

std::string module_name(std::string_view path) {
    const auto file = base_name(path);
    for (const auto suffix : kSuffixes) {
        if (file.size() > suffix.size() && file.ends_with(suffix)) {
            return normalize_module(file.substr(0, file.size() - suffix.size()));
        }
    }
    return {};
}

std::string unpacked_path(std::string_view path) {
    const auto dot = path.rfind(".ko.");
    return std::string(dot == std::string_view::npos ? path : path.substr(0, dot + 3));
}

ModuleInfo parse_module(std::string_view elf, std::string_view name) {
    const ElfView view(elf, name);
    auto strings = view.find_section(".modinfo");
    if (view.type() != ET_REL || !strings) {
        fail(Errc::invalid_argument, "{} is not a kernel module: it has no .modinfo section", name);
    }
    ModuleInfo info;
    while (!strings->empty()) {
        const auto entry = strings->substr(0, strings->find('\0'));
        strings->remove_prefix(std::min(entry.size() + 1, strings->size()));
        const auto equals = entry.find('=');
        if (equals == std::string_view::npos) continue;
        const auto key = entry.substr(0, equals);
        const auto value = entry.substr(equals + 1);
        if (key == "depends") info.depends = split(value, ',');
        if (key == "vermagic") info.release = value.substr(0, value.find(' '));
        if (key == "softdep") append_preferred(value, info.prefers);
    }
    return info;
}

std::set<std::string> parse_builtin(std::string_view text) {
    std::set<std::string> names;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (auto name = module_name(line); !name.empty()) names.insert(std::move(name));
    }
    return names;
}

}  // namespace banger::kernel
