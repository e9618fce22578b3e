#include "daemon/daemon.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <exception>
#include <memory>
#include <optional>

#include "daemon/api/listener.hpp"
#include "daemon/api/server.hpp"
#include "daemon/api/version.hpp"
#include "daemon/backend_checks.hpp"
#include "daemon/image/local_catalogs.hpp"
#include "daemon/image/local_images.hpp"
#include "daemon/image/local_kernels.hpp"
#include "daemon/make_backends.hpp"
#include "daemon/operations/operations.hpp"
#include "daemon/process_setup.hpp"
#include "daemon/service_manager.hpp"
#include "daemon/store/store.hpp"
#include "daemon/store/usage.hpp"
#include "daemon/vm/kvm_probe.hpp"
#include "daemon/vm/make_vm_service.hpp"
#include "pipelines/image/registry/reference.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/uring.hpp"

namespace banger {
namespace {

namespace asio = boost::asio;

// Four pulls of four layers each; everything else has threads of its own and never waits for a
// pull. A thread that waits for a slow disk or peer costs a stack, so there are more of them than
// cores.
constexpr unsigned kPullThreads = 16;
constexpr unsigned kOtherThreads = 16;
// Below the 8 MiB that an unprivileged user may pin.
constexpr unsigned kBuffers = 7;

image::RegistrySettings registry_settings(const Config& config) {
    image::RegistrySettings settings;
    settings.plain_http_hosts = config.plain_http_registries;
    settings.mirrors = config.mirrors;
    for (const auto& [host, registry] : config.registry) {
        if (registry.ca.empty()) continue;
        settings.ca_files[host] = registry.ca;
        const image::Reference reference{.domain = host, .path = {}, .tag = {}, .digest = {}};
        settings.ca_files[reference.api_host()] = registry.ca;
    }
    return settings;
}

class Daemon {
  public:
    Daemon(const Config& config, const Paths& paths)
        : config_(config),
          paths_(paths),
          state_lock_(lock_directory(paths.state)),
          runtime_lock_(lock_directory(paths.runtime)),
          agent_(find_agent(config.agent_path)),
          pulls_(kPullThreads),
          pool_(kOtherThreads),
          buffers_(kBuffers),
          stop_changed_(context_.get_executor()) {}

    int run() {
        std::exception_ptr failure;
        asio::co_spawn(context_, live(), [&](const std::exception_ptr& error) { failure = error; });
        context_.run();
        pulls_.join();
        pool_.join();
        if (store_) store_->close_blocking();
        if (failure) std::rethrow_exception(failure);
        return 0;
    }

  private:
    // What was started is ended in the opposite order, also when the start fails half-way.
    Task<void> live() {
        std::exception_ptr failure;
        try {
            co_await start();
            co_await serve();
        } catch (...) {
            failure = std::current_exception();
        }
        if (vms_) co_await vms_->close();
        if (ring_) co_await ring_->close();
        if (failure) std::rethrow_exception(failure);
    }

    Task<void> start() {
        store_ = store::Store::open_blocking(paths_.database());
        std::string why_not;
        ring_ = Uring::try_make(context_.get_executor(), buffers_, why_not);
        writer_ = ring_ ? "io_uring" : "pwrite (" + why_not + ")";
        co_await make_backends();
        make_services();
        co_await catalogs_->reconcile();
        co_await images_->reconcile();
        co_await kernels_->reconcile();
        co_await vms_->reconcile();
    }

    Task<void> make_backends() {
        if (config_.accelerator == "tcg") {
            kvm_.reason = "the configuration says accelerator = \"tcg\"";
        } else {
            kvm_ = co_await vm::probe_kvm(pool_, paths_.cache);
        }
        if (config_.accelerator == "kvm" && !kvm_.usable) {
            fail(Errc::unavailable, "the configuration says accelerator = \"kvm\", but {}",
                 kvm_.reason);
        }
        backends_ = co_await banger::make_backends(context_.get_executor(), pool_, config_, kvm_);
    }

    void make_services() {
        const auto executor = context_.get_executor();
        const image::PullContext pull{.executor = executor,
                                      .pool = pulls_,
                                      .buffers = buffers_,
                                      .ring = ring_.get(),
                                      .disk_reserve = config_.disk_reserve,
                                      .keeps_partials = [this] { return stop_requested_; }};
        const auto registries = registry_settings(config_);
        catalogs_ = catalog::make_catalog_service({.executor = executor,
                                                   .pool = pool_,
                                                   .paths = paths_,
                                                   .catalogs = config_.catalogs,
                                                   .settings = registries});
        images_ = image::make_image_service(
            {.store = *store_,
             .paths = paths_,
             .pull = pull,
             .registries = registries,
             .catalogs = *catalogs_,
             .users = [this](std::string id) { return store::vms_using_image(*store_, id); },
             .cache_limit = config_.cache_size});
        kernels_ = kernel::make_kernel_service(
            {.store = *store_,
             .paths = paths_,
             .pull = pull,
             .settings = registries,
             .catalogs = *catalogs_,
             .users = [this](std::string name) { return store::vms_using_kernel(*store_, name); }});
        vms_ = vm::make_vm_service({.executor = executor,
                                    .pool = pool_,
                                    .store = *store_,
                                    .images = *images_,
                                    .kernels = *kernels_,
                                    .backends = *backends_,
                                    .paths = paths_,
                                    .config = config_,
                                    .agent = agent_});
    }

    Task<void> serve() {
        const auto executor = context_.get_executor();
        operations::Operations operations(executor);
        api::Services services{
            .config = config_,
            .paths = paths_,
            .vms = *vms_,
            .images = *images_,
            .kernels = *kernels_,
            .catalogs = *catalogs_,
            .operations = operations,
            .started_at = now_rfc3339(),
            .writer = writer_,
            .request_stop = [this] { request_stop("a client asked for it"); },
            .check_backend = [this] { return check_backend(config_, kvm_, agent_, paths_.state); }};
        auto inherited = api::inherited_listener();
        const bool owns_socket = !inherited;
        api::Server server(executor,
                           inherited ? std::move(*inherited) : api::listen_at(paths_.socket()),
                           api::all_routes(), services);
        TaskGroup group(executor);
        group.spawn(server.run());
        group.spawn(heed_signals(*this));
        spdlog::info("bangerd {} listens at {}", api::version(), paths_.socket());
        notify_service_manager("READY=1");
        while (!stop_requested_)
            co_await stop_changed_.wait();
        notify_service_manager("STOPPING=1");
        if (owns_socket) ::unlink(paths_.socket().c_str());
        // The ways to the guests are cut before the clients': a command whose client goes is hung
        // up, one whose daemon goes runs on.
        co_await operations.close();
        co_await vms_->close();
        server.stop();
        signals_.reset();
        co_await group.join();
        spdlog::info("bangerd ends");
    }

    static Task<void> heed_signals(Daemon& daemon) {
        daemon.signals_.emplace(daemon.context_, SIGTERM, SIGINT);
        while (true) {
            auto [error, number] = co_await daemon.signals_->async_wait(as_tuple);
            if (error) co_return;
            daemon.request_stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
        }
    }

    void request_stop(std::string_view why) {
        if (stop_requested_) return;
        spdlog::info("stopping: {}", why);
        stop_requested_ = true;
        stop_changed_.notify();
    }

    const Config& config_;
    const Paths& paths_;
    UniqueFd state_lock_;
    UniqueFd runtime_lock_;
    std::string agent_;
    asio::io_context context_{1};
    BlockingPool pulls_;
    BlockingPool pool_;
    BufferPool buffers_;
    std::unique_ptr<Uring> ring_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<vm::Backends> backends_;
    std::unique_ptr<catalog::CatalogService> catalogs_;
    std::unique_ptr<image::ImageService> images_;
    std::unique_ptr<kernel::KernelService> kernels_;
    std::unique_ptr<vm::VmService> vms_;
    vm::KvmVerdict kvm_;
    std::string writer_;
    std::optional<asio::signal_set> signals_;
    Notifier stop_changed_;
    bool stop_requested_ = false;
};

}  // namespace

int run_daemon(const Config& config, const Paths& paths) {
    prepare_process();
    make_daemon_directories(paths);
    Daemon daemon(config, paths);
    return daemon.run();
}

}  // namespace banger
