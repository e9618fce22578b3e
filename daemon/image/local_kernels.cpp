#include "daemon/image/local_kernels.hpp"

#include <fmt/ranges.h>

#include <set>

#include "daemon/image/directories.hpp"
#include "daemon/image/names.hpp"
#include "daemon/store/store.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
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
    explicit LocalKernels(KernelServiceParts parts) : parts_(std::move(parts)) {}

    Task<std::vector<api::KernelInfo>> list() override {
        std::vector<api::KernelInfo> kernels;
        for (const auto& record : co_await parts_.store.list(Table::kernels)) {
            kernels.push_back(from_json<api::KernelInfo>(record.document, record.name));
        }
        co_return kernels;
    }

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
        const Reservation reserved(importing_, request.name);
        if (co_await parts_.store.find_by_name(Table::kernels, request.name)) {
            fail(Errc::already_exists, "there is a kernel named '{}' already", request.name);
        }
        if (progress) progress({.stage = "import", .message = "importing kernel " + request.name});
        const std::string directory = parts_.paths.kernels() + "/" + request.name;
        const StagingDirectory staging(directory + ".staging");
        const auto manifest = co_await stage(request, staging.path());
        const auto info = describe(manifest, directory);
        co_await shielded(publish(info, directory));
        co_return info;
    }

    Task<void> remove(std::string name) override {
        co_await show(name);
        const auto users = co_await parts_.users(name);
        if (!users.empty()) {
            fail(Errc::conflict, "kernel '{}' is used by {}; delete {} first", name,
                 fmt::join(users, ", "), users.size() == 1 ? "that VM" : "those VMs");
        }
        co_await shielded(forget(name));
    }

    Task<void> reconcile() override {
        std::set<std::string> names;
        for (const auto& kernel : co_await list())
            names.insert(kernel.name);
        co_await run_blocking(parts_.pool, [&](std::stop_token) {
            sweep_directory_blocking(parts_.paths.kernels(),
                                     [&](const std::string& name) { return names.contains(name); });
        });
    }

  private:
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

    Task<void> publish(api::KernelInfo info, std::string directory) {
        co_await banger::publish(parts_.pool, directory + ".staging", directory);
        store::Record record{.key = info.name, .name = info.name, .document = to_json(info)};
        co_await parts_.store.insert(Table::kernels, std::move(record));
    }

    Task<void> forget(std::string name) {
        co_await parts_.store.erase(Table::kernels, name);
        co_await run_blocking(parts_.pool, [&](std::stop_token) {
            remove_directory_blocking(parts_.paths.kernels() + "/" + name);
        });
    }

    Task<KernelManifest> stage(const api::KernelImportRequest& request, std::string staging) {
        const auto options = options_of(request);
        auto import = [&](std::stop_token stop) {
            remove_directory_blocking(staging);
            if (request.from_deb) {
                return import_deb_blocking(*request.from_deb, staging, options, stop);
            }
            return import_directory_blocking(*request.from_directory, staging, options, stop);
        };
        co_return co_await run_blocking(parts_.pool, import);
    }

    KernelServiceParts parts_;
    std::set<std::string> importing_;
};

}  // namespace

std::unique_ptr<KernelService> make_kernel_service(KernelServiceParts parts) {
    make_directories_blocking(parts.paths.kernels());
    return std::make_unique<LocalKernels>(std::move(parts));
}

}  // namespace banger::kernel
