#include "test/e2e/vm_host.hpp"

#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "daemon/image/local_catalogs.hpp"
#include "daemon/image/local_images.hpp"
#include "daemon/image/local_kernels.hpp"
#include "daemon/store/store.hpp"
#include "daemon/store/usage.hpp"
#include "daemon/vm/backends.hpp"
#include "daemon/vm/firecracker_backend.hpp"
#include "daemon/vm/qemu_backend.hpp"
#include "daemon/vm/tsc_clock.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/uring.hpp"

namespace banger::test {
namespace {

/// The line that make-test-images prints for `name`, without the name.
std::string test_material(const std::string& name) {
    auto command = std::string(BANGER_SOURCE_DIR "/test/support/make-test-images ") + name;
    auto close = [](std::FILE* pipe) { ::pclose(pipe); };
    std::unique_ptr<std::FILE, decltype(close)> pipe(::popen(command.c_str(), "r"), close);
    std::string text;
    std::array<char, 4096> buffer;
    while (pipe && std::fgets(buffer.data(), buffer.size(), pipe.get()))
        text += buffer.data();
    std::istringstream words(text);
    std::string first, second;
    words >> first >> second;
    if (first != name) throw std::runtime_error("make-test-images made no " + name);
    return second;
}

/// Where the stand-in finds its vsock device; false where there is none.
bool find_vsock_device() {
    auto close = [](std::FILE* pipe) { ::pclose(pipe); };
    const char* command =
        BANGER_SOURCE_DIR "/test/support/make-vhost-device-vsock --offline 2>/dev/null";
    std::unique_ptr<std::FILE, decltype(close)> pipe(::popen(command, "r"), close);
    std::array<char, 4096> line{};
    if (!pipe || !std::fgets(line.data(), line.size(), pipe.get())) return false;
    std::string path(line.data());
    path.pop_back();
    return ::setenv("BANGER_VHOST_DEVICE_VSOCK", path.c_str(), 1) == 0;
}

/// BANGER_TEST_NETWORK names what carries the guests' frames, for tests that try each.
bool wants_network(const char* name) {
    const char* wanted = std::getenv("BANGER_TEST_NETWORK");
    return wanted && std::string(wanted) == name;
}

vm::FirecrackerOptions firecracker_options() {
    vm::FirecrackerOptions options{.binary = BANGER_SOURCE_DIR "/test/support/firecracker-double",
                                   .version = {1, 16, 1},
                                   .kvm = false,
                                   .launcher = BANGER_LAUNCHER,
                                   .network = vm::find_tap_network()};
    if (wants_network("pasta")) options.network = {"pasta", "pasta"};
    return options;
}

vm::QemuOptions qemu_options() {
    vm::QemuOptions options{.tsc_khz = vm::tsc_khz_blocking(), .launcher = BANGER_LAUNCHER};
    if (wants_network("passt")) options.network = {"passt", "passt"};
    return options;
}

Paths paths_below(const std::string& directory) {
    Paths paths;
    paths.state = directory + "/state";
    paths.cache = directory + "/cache";
    paths.runtime = directory + "/run";
    for (const auto& path :
         {paths.images(), paths.kernels(), paths.vms(), paths.cache, paths.runtime + "/vms"}) {
        std::filesystem::create_directories(path);
    }
    return paths;
}

}  // namespace

struct VmHost::Parts {
    Parts(boost::asio::io_context& context, const Paths& where, std::uint64_t disk_reserve)
        : paths(where), pool(4), pulls(8), buffers(7) {
        std::string why_not;
        auto executor = context.get_executor();
        ring = Uring::try_make(executor, buffers, why_not);
        store = store::Store::open_blocking(paths.database());
        const auto fire = firecracker_options();
        firecracker = fire.network && find_vsock_device();
        backends.add(vm::make_qemu_backend(executor, qemu_options()));
        backends.add(vm::make_firecracker_backend(executor, fire),
                     firecracker ? "" : "nothing stands in for it");
        catalogs = catalog::make_catalog_service(
            {.executor = executor, .pool = pool, .paths = paths, .catalogs = {}, .settings = {}});
        images = image::make_image_service(
            {.store = *store,
             .paths = paths,
             .pull = {executor, pulls, buffers, ring.get()},
             .catalogs = *catalogs,
             .users = [this](std::string id) { return store::vms_using_image(*store, id); }});
        kernels = kernel::make_kernel_service(
            {.store = *store,
             .paths = paths,
             .pull = {executor, pulls, buffers, ring.get()},
             .catalogs = *catalogs,
             .users = [this](std::string name) { return store::vms_using_kernel(*store, name); }});
        Config config;
        config.default_image = "busybox";
        config.default_kernel = "test";
        config.disk_size = 1ull << 30;
        config.vcpu = 1;
        config.memory_mib = 512;
        config.boot_seconds = 120;
        config.disk_reserve = disk_reserve;
        vms = vm::make_vm_service(
            {executor, pool, *store, *images, *kernels, backends, paths, config, BANGER_AGENT});
    }

    Paths paths;
    BlockingPool pool;
    BlockingPool pulls;
    BufferPool buffers;
    std::unique_ptr<Uring> ring;
    std::unique_ptr<store::Store> store;
    vm::Backends backends{"these tests emulate"};
    bool firecracker = false;
    std::unique_ptr<catalog::CatalogService> catalogs;
    std::unique_ptr<image::ImageService> images;
    std::unique_ptr<kernel::KernelService> kernels;
    std::unique_ptr<vm::VmService> vms;
};

VmHost::VmHost(std::uint64_t disk_reserve) : disk_reserve_(disk_reserve) {
    open();
    import_kernel({.name = "test", .from_deb = test_material("kernel")});
    image("busybox");
}

VmHost::~VmHost() {
    for (const auto& vm : run(vms().list()))
        run(vms().remove(vm.id, true, {}));
    close();
}

void VmHost::open() {
    parts_ = std::make_unique<Parts>(context_, paths_below(directory_.path()), disk_reserve_);
    run(parts_->vms->reconcile());
}

void VmHost::close() {
    run(parts_->vms->close());
    if (parts_->ring) run(parts_->ring->close());
    parts_->store->close_blocking();
    parts_.reset();
}

void VmHost::restart() {
    close();
    open();
}

vm::VmService& VmHost::vms() {
    return *parts_->vms;
}

bool VmHost::has_firecracker() const {
    return parts_->firecracker;
}

const Paths& VmHost::paths() const {
    return parts_->paths;
}

std::string VmHost::image(const std::string& name) {
    if (!run(parts_->images->find(name))) pull(test_material(name), name);
    return name;
}

std::string VmHost::pull(const std::string& source, const std::string& name) {
    run(parts_->images->pull({.reference = source, .name = name}, {}), std::chrono::seconds(600));
    return name;
}

std::string VmHost::import_kernel(api::KernelImportRequest request) {
    return run(parts_->kernels->import(std::move(request), {})).name;
}

std::string VmHost::rootfs_of(const std::string& image) {
    return run(parts_->images->show(image)).rootfs_path;
}

void VmHost::drive(Task<void> task, std::chrono::seconds limit) {
    bool finished = false;
    std::exception_ptr error;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr failure) {
        finished = true;
        error = std::move(failure);
    });
    auto deadline = std::chrono::steady_clock::now() + limit;
    context_.restart();
    while (!finished && std::chrono::steady_clock::now() < deadline) {
        context_.run_one_for(std::chrono::milliseconds(200));
        if (context_.stopped()) context_.restart();
    }
    if (!finished) {
        // The task still refers to this frame: there is no way to go on from here.
        std::fprintf(stderr, "a task did not end in time\n");
        std::abort();
    }
    if (error) std::rethrow_exception(error);
}

api::VmInfo VmHost::boot(std::string name, std::string image) {
    api::VmCreateRequest request;
    request.name = std::move(name);
    request.image = std::move(image);
    return run(vms().create(std::move(request), {}));
}

void VmHost::rewrite_record(const std::string& name,
                            const std::function<void(boost::json::object&)>& change) {
    auto record = run(parts_->store->find_by_name(store::Table::vms, name)).value();
    change(record.document.as_object());
    run(parts_->store->update(store::Table::vms, record));
}

std::uint64_t VmHost::blocks_of(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) throw std::runtime_error("no file " + path);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

std::vector<int> VmHost::vmms() const {
    std::vector<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "cmdline");
        std::string words((std::istreambuf_iterator<char>(file)), {});
        auto name = entry.path().filename().string();
        bool process = name.find_first_not_of("0123456789") == std::string::npos;
        if (process && words.find(directory_.path().string()) != std::string::npos) {
            found.push_back(std::stoi(name));
        }
    }
    return found;
}

VmHost& vm_host() {
    static VmHost host;
    return host;
}

namespace {

Task<void> feed(vm::ExecSession& session, std::string input) {
    co_await session.write_stdin(std::as_bytes(std::span(input)));
    co_await session.close_stdin();
}

Task<Outcome> collect(vm::ExecSession& session) {
    using Kind = vm::ExecEvent::Kind;
    Outcome outcome;
    for (;;) {
        auto event = co_await session.next();
        auto& text = event.kind == Kind::standard_out ? outcome.out : outcome.err;
        text.append(reinterpret_cast<const char*>(event.bytes.data()), event.bytes.size());
        if (event.kind != Kind::exited) continue;
        outcome.exit_code = event.exit_code;
        co_return outcome;
    }
}

Task<Outcome> exec_task(vm::VmService& vms, std::string vm, api::ExecRequest request,
                        std::string input) {
    auto session = co_await vms.exec(std::move(vm), std::move(request));
    if (input.empty()) co_return co_await collect(*session);
    auto both = co_await when_all(feed(*session, std::move(input)), collect(*session));
    co_return std::get<1>(std::move(both));
}

}  // namespace

Outcome exec(VmHost& host, const std::string& vm, std::vector<std::string> command,
             std::string input) {
    api::ExecRequest request;
    request.command = std::move(command);
    request.stdin = !input.empty();
    return host.run(exec_task(host.vms(), vm, std::move(request), std::move(input)));
}

Outcome shell(VmHost& host, const std::string& vm, std::string script) {
    return exec(host, vm, {"sh", "-c", std::move(script)});
}

}  // namespace banger::test
