#include "daemon/image/local_kernels.hpp"

#include <fmt/ranges.h>

#include <functional>
#include <set>

#include "catalog/catalog.hpp"
#include "daemon/image/catalog_service.hpp"
#include "daemon/image/directories.hpp"
#include "daemon/image/names.hpp"
#include "daemon/image/shared_work.hpp"
#include "daemon/store/readable.hpp"
#include "daemon/store/store.hpp"
#include "pipelines/bundle/kernel_bundle.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/nearest.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/kernel/kernel_import.hpp"

namespace banger::kernel {
namespace {

using store::Table;

api::KernelInfo describe(const KernelManifest& manifest, const std::string& directory) {
    api::KernelInfo info;
    info.name = manifest.name;
    info.version = manifest.version;
    info.arch = manifest.arch;
    info.distro = manifest.distro;
    info.source = manifest.source;
    info.vmlinux_path = directory + "/vmlinux";
    info.vmlinux_sha256 = manifest.vmlinux_sha256;
    info.vmlinux_bytes = manifest.vmlinux_bytes;
    info.has_initrd = manifest.has_initrd;
    info.modules = manifest.modules;
    info.pvh = manifest.pvh;
    info.created_at = manifest.created_at;
    return info;
}

KernelImportOptions options_of(const api::KernelImportRequest& request) {
    KernelImportOptions options;
    options.name = request.name;
    options.distro = request.distro.value_or("");
    options.arch = request.arch.value_or(options.arch);
    return options;
}

class LocalKernels final : public KernelService {
  public:
    explicit LocalKernels(KernelServiceParts parts)
        : parts_(std::move(parts)), pulls_(parts_.pull.executor) {}

    Task<std::vector<api::KernelInfo>> list() override { co_return (co_await read()).values; }

    Task<api::KernelInfo> show(std::string name) override {
        if (auto record = co_await parts_.store.find_by_name(Table::kernels, name)) {
            co_return from_json<api::KernelInfo>(record->document, name);
        }
        std::vector<std::string> names;
        for (const auto& kernel : co_await list())
            names.push_back(kernel.name);
        fail_unknown("kernel", name, names);
    }

    Task<api::KernelInfo> import(api::KernelImportRequest request, ProgressSink progress) override {
        check_name("kernel", request.name);
        if (request.from_directory.has_value() == request.from_deb.has_value()) {
            fail(Errc::invalid_argument,
                 "give a directory or a .deb to import the kernel from, one of them");
        }
        const auto options = options_of(request);
        const auto source = request.from_deb.value_or("");
        auto work = [&](std::string staging, std::stop_token stop) {
            if (request.from_deb) {
                return import_deb_blocking(source, staging, options, std::move(stop));
            }
            return import_directory_blocking(*request.from_directory, staging, options,
                                             std::move(stop));
        };
        co_return co_await import_by(request.name, work, std::move(progress));
    }

    Task<api::KernelInfo> import_files(std::string name, KernelPaths paths,
                                       ProgressSink progress) override {
        check_name("kernel", name);
        const KernelImportOptions options{.name = name, .distro = {}};
        auto work = [&](std::string staging, std::stop_token stop) {
            return import_files_blocking(paths, paths.kernel, staging, options, std::move(stop));
        };
        co_return co_await import_by(name, work, std::move(progress));
    }

    Task<api::KernelInfo> pull(api::KernelPullRequest request, ProgressSink progress) override {
        check_name("kernel", request.name);
        if (!request.force) co_await check_free(request.name);
        const auto entry = co_await find_entry(request.name);
        auto work = [this, entry](ProgressSink sink) { return fetch(entry, std::move(sink)); };
        // One that is asked for with force joins one without: both bring what the catalog has.
        co_return co_await pulls_.join(request.name, work, std::move(progress));
    }

    Task<api::KernelInfo> find_or_pull(std::string name, ProgressSink progress) override {
        if (auto record = co_await parts_.store.find_by_name(Table::kernels, name)) {
            co_return from_json<api::KernelInfo>(record->document, name);
        }
        if (!co_await parts_.catalogs.find(catalog::kKernels, name)) co_return co_await show(name);
        co_return co_await pull({.name = name, .force = true}, std::move(progress));
    }

    Task<void> remove(std::string name, bool force) override {
        co_await show(name);
        const auto users = co_await parts_.users(name);
        if (!users.empty() && !force) {
            fail(Errc::conflict,
                 "kernel '{}' is used by {}; delete {} first, or use --force and {} not start "
                 "again",
                 name, fmt::join(users, ", "), users.size() == 1 ? "that VM" : "those VMs",
                 users.size() == 1 ? "it will" : "they will");
        }
        co_await shielded(forget(name));
    }

    Task<void> reconcile() override {
        std::set<std::string> names;
        const auto kernels = co_await read();
        for (const auto& kernel : kernels.values)
            names.insert(kernel.name);
        co_await run_blocking(parts_.pull.pool, [&](std::stop_token) {
            sweep_directory_blocking(parts_.paths.kernels(), [&](const std::string& name) {
                return !kernels.complete || names.contains(name);
            });
        });
    }

  private:
    Task<store::Readable<api::KernelInfo>> read() {
        co_return store::read_all<api::KernelInfo>(co_await parts_.store.list(Table::kernels),
                                                   "kernel");
    }

    // Holds a name while it is being imported, so that two imports never share a staging directory.
    class Reservation {
      public:
        Reservation(std::set<std::string>& names, std::string name)
            : names_(names), name_(std::move(name)) {
            if (!names_.insert(name_).second) {
                fail(Errc::conflict, "a kernel named '{}' is being imported already", name_);
            }
        }
        ~Reservation() { names_.erase(name_); }
        Reservation(const Reservation&) = delete;
        Reservation& operator=(const Reservation&) = delete;

      private:
        std::set<std::string>& names_;
        std::string name_;
    };

    using ImportWork = std::function<KernelManifest(std::string staging, std::stop_token)>;

    Task<void> check_free(std::string name) {
        if (!co_await parts_.store.find_by_name(Table::kernels, name)) co_return;
        fail(Errc::already_exists, "there is a kernel named '{}' already", name);
    }

    std::string directory_of(const std::string& name) const {
        return parts_.paths.kernels() + "/" + name;
    }

    Task<api::KernelInfo> import_by(std::string name, const ImportWork& work,
                                    ProgressSink progress) {
        const Reservation reserved(importing_, name);
        co_await check_free(name);
        if (progress) progress({.stage = "import", .message = "importing kernel " + name});
        const StagingDirectory staging(directory_of(name) + ".staging");
        const auto manifest = co_await run_blocking(parts_.pull.pool, [&](std::stop_token stop) {
            remove_directory_blocking(staging.path());
            return work(staging.path(), std::move(stop));
        });
        const auto info = describe(manifest, directory_of(name));
        co_await shielded(publish(info));
        co_return info;
    }

    /// What the catalogs know by that name; otherwise the nearest one they know.
    Task<api::AvailableEntry> find_entry(std::string name) {
        if (auto entry = co_await parts_.catalogs.find(catalog::kKernels, name)) co_return *entry;
        std::vector<std::string> names;
        for (const auto& entry : co_await parts_.catalogs.entries(catalog::kKernels))
            names.push_back(entry.name);
        fail(Errc::not_found, "no catalog has a kernel named '{}'{}", name,
             did_you_mean(name, names));
    }

    Task<api::KernelInfo> fetch(api::AvailableEntry entry, ProgressSink progress) {
        const Reservation reserved(importing_, entry.name);
        const StagingDirectory staging(directory_of(entry.name) + ".staging");
        co_await run_blocking(parts_.pull.pool,
                              [&](std::stop_token) { remove_directory_blocking(staging.path()); });
        const bundle::BundleRequest request{.name = entry.name,
                                            .url = entry.url,
                                            .digest = {"sha256", entry.sha256},
                                            .size = entry.size,
                                            .staging_dir = staging.path(),
                                            .settings = parts_.settings};
        const KernelImportOptions options{
            .name = entry.name, .distro = entry.distribution, .arch = entry.arch};
        KernelManifest manifest;
        if (entry.kind == "bundle") {
            manifest = co_await bundle::pull_kernel_bundle(parts_.pull, request, options, progress);
        } else if (entry.kind == "deb") {
            manifest = co_await bundle::pull_kernel_deb(parts_.pull, request, options, progress);
        } else {
            fail(Errc::unsupported,
                 "kernel '{}' of catalog '{}' is of the kind '{}', which this banger cannot pull",
                 entry.name, entry.catalog, entry.kind);
        }
        const auto info = describe(manifest, directory_of(entry.name));
        co_await shielded(publish(info));
        co_return info;
    }

    /// Also over what has the name already: a running VM has read its kernel long ago.
    Task<void> publish(api::KernelInfo info) {
        const auto directory = directory_of(info.name);
        co_await banger::publish(parts_.pull.pool, directory + ".staging", directory);
        store::Record record{.key = info.name, .name = info.name, .document = to_json(info)};
        if (co_await parts_.store.find_by_key(Table::kernels, info.name)) {
            co_await parts_.store.update(Table::kernels, std::move(record));
        } else {
            co_await parts_.store.insert(Table::kernels, std::move(record));
        }
    }

    Task<void> forget(std::string name) {
        co_await parts_.store.erase(Table::kernels, name);
        co_await run_blocking(parts_.pull.pool, [&](std::stop_token) {
            remove_directory_blocking(parts_.paths.kernels() + "/" + name);
        });
    }

    KernelServiceParts parts_;
    std::set<std::string> importing_;
    SharedWork<api::KernelInfo> pulls_;
};

}  // namespace

std::unique_ptr<KernelService> make_kernel_service(KernelServiceParts parts) {
    make_directories_blocking(parts.paths.kernels());
    return std::make_unique<LocalKernels>(std::move(parts));
}

}  // namespace banger::kernel
