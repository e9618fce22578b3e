#include "daemon/vm/create.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>
#include <utility>

#include "daemon/image/image_service.hpp"
#include "daemon/image/kernel_service.hpp"
#include "daemon/vm/backends.hpp"
#include "daemon/vm/ports.hpp"
#include "daemon/vm/vm_names.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/time.hpp"

namespace banger::vm {
namespace {

constexpr std::uint32_t kMostVcpus = 32;
constexpr std::uint32_t kLeastMemoryMib = 128;
constexpr std::uint64_t kLeastDisk = 64ull << 20;
constexpr std::uint64_t kMostDisk = 16ull << 40;

std::uint32_t host_memory_mib() {
    auto bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                 static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return static_cast<std::uint32_t>(bytes >> 20);
}

std::uint32_t default_vcpu(const Config& config) {
    if (config.vcpu) return config.vcpu;
    return std::clamp(std::thread::hardware_concurrency() / 4, 1u, 4u);
}

std::uint32_t default_memory_mib(const Config& config) {
    if (config.memory_mib) return config.memory_mib;
    return std::clamp(host_memory_mib() / 8, 512u, 8192u);
}

template <class T>
void check_range(const char* what, T value, T least, T most, const char* unit) {
    if (value >= least && value <= most) return;
    fail(Errc::invalid_argument, "{} {}{} is not possible here: {} to {}{} are", what, value, unit,
         least, most, unit);
}

std::string check_word(const char* what, const std::optional<std::string>& word,
                       std::initializer_list<const char*> known) {
    if (!word || word->empty()) return *known.begin();
    if (std::ranges::find(known, *word) != known.end()) return *word;
    std::string list;
    for (const auto* each : known)
        list += (list.empty() ? "'" : ", '") + std::string(each) + "'";
    fail(Errc::invalid_argument, "'{}' is no {}: use {}", *word, what, list);
}

Task<api::ImageInfo> find_or_pull(VmContext& context, std::string reference,
                                  std::optional<api::RegistryAuth> auth, ProgressSink progress) {
    auto& images = context.deps.images;
    if (auto image = co_await images.find(reference)) co_return std::move(*image);
    co_return co_await images.pull(
        {.reference = std::move(reference), .registry_auth = std::move(auth)}, std::move(progress));
}

Task<void> choose_kernel_and_backend(VmContext& context, VmRecord& record,
                                     const api::VmCreateRequest& request, ProgressSink progress) {
    const auto& config = context.deps.config;
    const auto kernel =
        co_await context.deps.kernels.find_or_pull(record.kernel, std::move(progress));
    const auto& backend =
        context.deps.backends.choose({.name = request.backend.value_or(config.backend),
                                      .require_hardware = request.require_kvm || config.require_kvm,
                                      .kernel_has_pvh = kernel.pvh});
    record.kernel = kernel.name;
    record.backend = backend.name();
    record.isolation = backend.isolation();
}

/// Gives the kernel that the image names, if it does.
Task<std::string> choose_image(VmContext& context, VmRecord& record,
                               std::optional<api::RegistryAuth> auth, ProgressSink progress) {
    auto image = co_await find_or_pull(context, record.image, std::move(auth), std::move(progress));
    if (!std::filesystem::exists(image.rootfs_path)) {
        fail(Errc::not_found, "the file system of image '{}' is gone from {}; {}", image.name,
             image.rootfs_path,
             image.managed ? "pull it again" : "put it back, or delete and register the image");
    }
    record.image = image.name;
    record.image_id = image.id;
    record.image_digest = image.digest;
    record.rootfs = image.rootfs_path;
    record.env = image.env;
    record.working_dir = image.working_dir;
    if (record.disk_mode == "copy") record.disk_size = image.size;
    co_return image.kernel_ref;
}

}  // namespace

void check_sizes(const VmRecord& record) {
    check_range("vcpu", record.vcpu, 1u, kMostVcpus, "");
    check_range("memory", record.memory_mib, kLeastMemoryMib, host_memory_mib(), " MiB");
    check_range("disk size", record.disk_size, kLeastDisk, kMostDisk, " bytes");
}

VmRecord plan_vm(const api::VmCreateRequest& request, const Config& config) {
    VmRecord record;
    if (request.name) check_vm_name(*request.name);
    record.name = request.name.value_or("");
    record.image = request.image.value_or(config.default_image);
    record.kernel = request.kernel.value_or(config.default_kernel);
    if (record.image.empty()) {
        fail(Errc::invalid_argument, "no image given, and no default_image is configured");
    }
    record.vcpu = request.vcpu.value_or(default_vcpu(config));
    record.memory_mib = request.memory_mib.value_or(default_memory_mib(config));
    record.disk_size = request.disk_size.value_or(config.disk_size);
    record.disk_mode = check_word("disk mode", request.disk_mode, {"overlay", "copy"});
    record.init = check_word("init", request.init, {"auto", "image", "banger"});
    check_word("level of readiness", request.wait, {"agent", "system"});
    check_sizes(record);
    if (record.disk_mode == "copy" && request.disk_size) {
        fail(Errc::unsupported,
             "a disk size goes with disk mode 'overlay'; a copy is as large as "
             "its image");
    }
    record.publish = check_published(request.publish.value_or(std::vector<api::PublishedPort>{}));
    record.publish_all = request.publish_all;
    record.created_at = now_rfc3339();
    return record;
}

Task<void> choose_parts(VmContext& context, VmRecord& record, api::VmCreateRequest& request,
                        ProgressSink progress) {
    auto auth = std::exchange(request.registry_auth, {});
    const bool given = request.kernel.has_value();
    if (given) co_await choose_kernel_and_backend(context, record, request, progress);
    const auto named = co_await choose_image(context, record, std::move(auth), progress);
    if (given) co_return;
    if (!named.empty()) record.kernel = named;
    if (record.kernel.empty()) {
        fail(Errc::invalid_argument,
             "no kernel given, image '{}' names none, and no default_kernel is configured",
             record.image);
    }
    co_await choose_kernel_and_backend(context, record, request, std::move(progress));
}

}  // namespace banger::vm
