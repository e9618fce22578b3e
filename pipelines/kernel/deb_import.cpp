#include <map>
#include <optional>
#include <set>

#include "pipelines/io/error.hpp"
#include "pipelines/kernel/deb_package.hpp"
#include "pipelines/kernel/import_steps.hpp"
#include "pipelines/kernel/kernel_import.hpp"
#include "pipelines/kernel/kernel_staging.hpp"
#include "pipelines/kernel/module_file.hpp"

namespace banger::kernel {

namespace {

/// A pass over a package, and what is known of it after.
class DebImport {
  public:
    DebImport(const std::string& deb, KernelStaging& staging) : deb_(deb), staging_(staging) {
        for (const auto& name : guest_modules())
            wanted_.insert(normalize_module(name));
    }

    /// A package is a stream, in which a module may stand before one that turns out to need it: it
    /// is read again for those. guest_modules() names all that today's kernels need, so once is the
    /// rule.
    KernelFacts run(const std::stop_token& stop) {
        do {
            read_deb_blocking(
                deb_, [this](std::string_view path) { return select(path); },
                [this](std::string_view path, std::string bytes) { receive(path, bytes); }, stop);
            if (facts_.version.empty()) {
                fail(Errc::invalid_argument,
                     "{} holds no boot/vmlinuz; take the linux-image package of one version, not "
                     "the one that only depends on it",
                     deb_);
            }
            find_missing();
        } while (!wanted_.empty());
        return facts_;
    }

  private:
    struct ModulePath {
        std::string release;  ///< "6.1.0-56-cloud-amd64"
        std::string below;    ///< "6.1.0-56-cloud-amd64/kernel/…"
    };

    static std::optional<ModulePath> find_module_path(std::string_view path) {
        if (path.starts_with("usr/")) path.remove_prefix(4);
        constexpr std::string_view kDirectory = "lib/modules/";
        if (!path.starts_with(kDirectory)) return std::nullopt;
        path.remove_prefix(kDirectory.size());
        return ModulePath{std::string(path.substr(0, path.find('/'))), std::string(path)};
    }

    bool select(std::string_view path) {
        if (path.starts_with("boot/vmlinuz-")) return facts_.version.empty();
        if (!find_module_path(path)) return false;
        if (path.ends_with("/modules.builtin")) return !builtin_read_;
        const auto name = module_name(path);
        if (!name.empty()) present_.insert(name);
        return wanted_.contains(name) && !taken_.contains(name);
    }

    void receive(std::string_view path, std::string_view bytes) {
        const auto name = deb_ + ": " + std::string(path);
        const auto module = find_module_path(path);
        if (!module) {
            facts_ = stage_bzimage(staging_, bytes, name);
        } else if (path.ends_with("/modules.builtin")) {
            builtin_ = parse_builtin(bytes);
            builtin_read_ = true;
            staging_.write("modules/" + module->below, bytes);
        } else {
            auto& info = taken_[module_name(path)] =
                stage_module(staging_, "modules/" + module->below, bytes, name);
            info.release = module->release;
        }
    }

    void find_missing() {
        wanted_.clear();
        if (present_.empty() && !builtin_read_) {
            fail(Errc::invalid_argument,
                 "{} holds a kernel without its modules; take a package that has both", deb_);
        }
        for (const auto& [name, info] : taken_) {
            check_release(info, deb_ + ": " + name, facts_.version);
            for (const auto& needed : info.depends) {
                if (taken_.contains(needed) || builtin_.contains(needed)) continue;
                if (!present_.contains(needed)) {
                    fail(Errc::invalid_argument, "{} lacks the module {}, which {} needs", deb_,
                         needed, name);
                }
                wanted_.insert(needed);
            }
            for (const auto& preferred : info.prefers) {
                if (present_.contains(preferred) && !taken_.contains(preferred)) {
                    wanted_.insert(preferred);
                }
            }
        }
    }

    std::string deb_;
    KernelStaging& staging_;
    KernelFacts facts_;
    std::set<std::string> wanted_;
    std::set<std::string> present_;
    std::set<std::string> builtin_;
    bool builtin_read_ = false;
    std::map<std::string, ModuleInfo> taken_;
};

}  // namespace

KernelManifest import_deb_blocking(const std::string& deb, const std::string& staging_dir,
                                   const KernelImportOptions& options, std::stop_token stop) {
    check_arch(options);
    KernelStaging staging(staging_dir);
    const auto facts = DebImport(deb, staging).run(stop);
    return finish_import(staging, options, facts, deb);
}

}  // namespace banger::kernel
