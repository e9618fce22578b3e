#include "test/integration/api_fakes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::test {
namespace {

using namespace std::chrono_literals;
using vm::ExecEvent;

constexpr std::size_t kWindow = 64 * 1024;

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

class FakeSession final : public vm::ExecSession {
  public:
    FakeSession(boost::asio::any_io_executor executor, FakeProcesses& seen,
                const api::ExecRequest& request)
        : seen_(seen), program_(request.command.front()), changed_(executor) {
        ++seen_.started;
        if (program_ == "exit") exit_code_ = std::stoi(request.command.at(1));
        if (program_ == "both") say("to out\n", "to err\n");
        if (program_ == "bytes") {
            output_.push_back(
                {.kind = ExecEvent::Kind::standard_out, .bytes = bytes_of("\xff\xfe")});
            output_.push_back({.kind = ExecEvent::Kind::standard_out, .bytes = bytes_of("\xc3")});
            output_.push_back({.kind = ExecEvent::Kind::standard_out, .bytes = bytes_of("\xa4\n")});
        }
        if (program_ == "both" || program_ == "bytes") exit_code_ = 0;
    }
    ~FakeSession() override { ++seen_.destroyed; }

    Task<void> write_stdin(std::span<const std::byte> bytes) override {
        if (program_ == "deaf")
            fail(Errc::unavailable, "the process has closed its standard input");
        for (std::size_t at = 0; at < bytes.size();) {
            while (unread_ >= kWindow)
                co_await changed_.wait();
            const auto piece = bytes.subspan(at, std::min(bytes.size() - at, kWindow));
            at += piece.size();
            unread_ += piece.size();
            seen_.most_unread = std::max(seen_.most_unread, unread_);
            output_.push_back(
                {.kind = ExecEvent::Kind::standard_out, .bytes = {piece.begin(), piece.end()}});
            changed_.notify();
        }
    }
    Task<void> close_stdin() override {
        if (program_ == "cat") exit_code_ = 0;
        changed_.notify();
        co_return;
    }
    Task<void> resize(std::uint16_t width, std::uint16_t height) override {
        if (program_ == "deaf") fail(Errc::unavailable, "the process has no terminal");
        seen_.sizes.emplace_back(width, height);
        co_return;
    }
    Task<void> signal(int number) override {
        seen_.signals.push_back(number);
        exit_code_ = 128 + number;
        changed_.notify();
        co_return;
    }
    Task<ExecEvent> next() override {
        if (program_ == "vanish") fail(Errc::unavailable, "the VM went away");
        if (program_ == "spam") {
            seen_.written += kWindow;
            ExecEvent event{.kind = ExecEvent::Kind::standard_out, .bytes = {}};
            event.bytes.assign(kWindow, std::byte{'x'});
            co_return event;
        }
        while (output_.empty() && !exit_code_)
            co_await changed_.wait();
        if (output_.empty()) {
            co_return ExecEvent{
                .kind = ExecEvent::Kind::exited, .bytes = {}, .exit_code = *exit_code_};
        }
        auto event = std::move(output_.front());
        output_.pop_front();
        unread_ -= std::min(unread_, event.bytes.size());
        changed_.notify();
        co_return event;
    }

  private:
    void say(std::string_view out, std::string_view error) {
        output_.push_back({.kind = ExecEvent::Kind::standard_out, .bytes = bytes_of(out)});
        output_.push_back({.kind = ExecEvent::Kind::standard_error, .bytes = bytes_of(error)});
    }

    FakeProcesses& seen_;
    std::string program_;
    Notifier changed_;
    std::deque<ExecEvent> output_;
    std::size_t unread_ = 0;
    std::optional<int> exit_code_;
};

}  // namespace

FakeVms::FakeVms(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
FakeVms::~FakeVms() = default;

api::VmInfo& FakeVms::get(const std::string& ref) {
    const auto found = vms_.find(ref);
    if (found == vms_.end()) fail(Errc::not_found, "no VM named '{}'", ref);
    return found->second;
}

Task<std::vector<api::VmInfo>> FakeVms::list() {
    try {
        if (list_hangs) co_await sleep_for(1h);
    } catch (const boost::system::system_error&) {
        ++lists_cancelled;
        throw;
    }
    std::vector<api::VmInfo> infos;
    for (const auto& [name, info] : vms_)
        infos.push_back(info);
    co_return infos;
}

Task<api::VmInfo> FakeVms::show(std::string ref) {
    co_return get(ref);
}

Task<api::VmInfo> FakeVms::create(api::VmCreateRequest request, ProgressSink progress) {
    const auto name = request.name.value_or("nameless");
    try {
        for (std::uint64_t tick = 1; name == "slow"; ++tick) {
            progress({.stage = "boot", .item = "", .done = tick, .total = 0, .message = ""});
            co_await sleep_for(1ms);
        }
    } catch (const boost::system::system_error&) {
        cancelled = true;
        throw;
    }
    if (vms_.contains(name)) fail(Errc::already_exists, "there is a VM named '{}' already", name);
    progress({.stage = "disks", .item = "", .done = 1, .total = 1, .message = ""});
    progress({.stage = "boot", .item = "", .done = 1, .total = 1, .message = "booted"});
    auto& info = vms_[name];
    info.id = name;
    info.name = name;
    info.state = request.start ? "running" : "created";
    co_return info;
}

Task<api::VmInfo> FakeVms::start(std::string ref, ProgressSink) {
    get(ref).state = "running";
    co_return get(ref);
}

Task<api::VmInfo> FakeVms::stop(std::string ref, int seconds, ProgressSink) {
    last_stop_seconds = seconds;
    get(ref).state = "stopped";
    co_return get(ref);
}

Task<void> FakeVms::remove(std::string ref, bool force, ProgressSink) {
    if (get(ref).state == "running" && !force) fail(Errc::conflict, "the VM '{}' is running", ref);
    vms_.erase(ref);
    co_return;
}

Task<api::VmInfo> FakeVms::restart(std::string ref, int seconds, ProgressSink) {
    last_stop_seconds = seconds;
    co_return get(ref);
}

Task<api::VmInfo> FakeVms::kill(std::string ref, int) {
    auto& info = get(ref);
    info.state = "stopped";
    co_return info;
}

Task<api::VmInfo> FakeVms::change(std::string ref, api::VmChangeRequest request) {
    auto& info = get(ref);
    info.vcpu = request.vcpu.value_or(info.vcpu);
    co_return info;
}

Task<api::VmStats> FakeVms::stats(std::string ref) {
    api::VmStats stats;
    stats.name = get(ref).name;
    co_return stats;
}

Task<api::VmHealth> FakeVms::health(std::string ref) {
    api::VmHealth health;
    health.name = get(ref).name;
    co_return health;
}

Task<api::VmInfo> FakeVms::pause(std::string ref) {
    auto& info = get(ref);
    info.state = "paused";
    co_return info;
}

Task<api::VmInfo> FakeVms::resume(std::string ref) {
    auto& info = get(ref);
    info.state = "running";
    co_return info;
}

Task<std::unique_ptr<vm::ExecSession>> FakeVms::exec(std::string ref, api::ExecRequest request) {
    if (get(ref).state != "running") fail(Errc::conflict, "the VM '{}' is not running", ref);
    last_exec = request;
    co_return std::make_unique<FakeSession>(executor_, processes, request);
}

namespace {

/// What is written is read again.
class Echo final : public net::GuestConnection {
  public:
    explicit Echo(boost::asio::any_io_executor executor) : changed_(std::move(executor)) {}
    Task<std::vector<std::byte>> read() override {
        while (bytes_.empty() && !finished_)
            co_await changed_.wait();
        co_return std::exchange(bytes_, {});
    }
    Task<void> write(std::span<const std::byte> bytes) override {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        changed_.notify();
        co_return;
    }
    void finish() override {
        finished_ = true;
        changed_.notify();
    }
    Task<void> wait_sent() override { co_return; }

  private:
    std::vector<std::byte> bytes_;
    bool finished_ = false;
    Notifier changed_;
};

class Broken final : public net::GuestConnection {
  public:
    Task<std::vector<std::byte>> read() override { fail(Errc::unavailable, "it broke"); }
    Task<void> write(std::span<const std::byte>) override { co_return; }
    void finish() override {}
    Task<void> wait_sent() override { co_return; }
};

}  // namespace

Task<std::unique_ptr<net::GuestConnection>> FakeVms::connect(std::string ref, std::uint16_t port) {
    get(ref);
    if (port == 7) co_return std::make_unique<Echo>(executor_);
    if (port == 13) co_return std::make_unique<Broken>();
    fail(Errc::unavailable, "port {} of the guest takes no connection", port);
}

Task<api::VmPorts> FakeVms::ports(std::string ref) {
    ports_[ref].vm = get(ref).name;
    co_return ports_[ref];
}

Task<api::VmPorts> FakeVms::publish(std::string ref, api::PublishedPort port) {
    get(ref);
    ports_[ref].published.push_back(port);
    co_return co_await ports(ref);
}

Task<api::VmPorts> FakeVms::unpublish(std::string ref, std::string address, std::uint16_t host) {
    get(ref);
    const auto gone = std::erase_if(ports_[ref].published, [&](const auto& port) {
        return port.address == address && port.host == host;
    });
    if (gone == 0) fail(Errc::not_found, "'{}' does not publish {}", ref, host);
    co_return co_await ports(ref);
}

Task<api::VmPorts> FakeVms::publish_all(std::string ref, bool enabled) {
    get(ref);
    ports_[ref].publish_all = enabled;
    co_return co_await ports(ref);
}

Task<std::string> FakeVms::serial_log(std::string ref, std::size_t bytes) {
    get(ref);
    const std::string log = "line 1\nline 2\n";
    co_return log.substr(log.size() - std::min(bytes, log.size()));
}

Task<void> FakeVms::reconcile() {
    co_return;
}
Task<void> FakeVms::close() {
    co_return;
}

Task<std::vector<api::ImageInfo>> FakeImages::list() {
    std::vector<api::ImageInfo> infos;
    for (const auto& [name, info] : images_)
        infos.push_back(info);
    co_return infos;
}

Task<std::optional<api::ImageInfo>> FakeImages::find(std::string ref) {
    const auto found = images_.find(ref);
    if (found == images_.end()) co_return std::nullopt;
    co_return found->second;
}

Task<api::ImageInfo> FakeImages::show(std::string ref) {
    auto found = co_await find(ref);
    if (!found) fail(Errc::not_found, "no image named '{}'", ref);
    co_return std::move(*found);
}

Task<api::ImageInfo> FakeImages::pull(api::ImagePullRequest request, ProgressSink progress) {
    progress({.stage = "download", .item = "layer", .done = 5, .total = 10, .message = ""});
    if (request.reference.starts_with("bad")) fail(Errc::digest_mismatch, "the bytes are wrong");
    auto& info = images_[request.name.value_or(request.reference)];
    info.name = request.name.value_or(request.reference);
    info.reference = request.reference;
    co_return info;
}

Task<image::Archive> FakeImages::receive(std::string reference, ByteSource& source) {
    if (reference.starts_with("bad")) fail(Errc::invalid_argument, "'{}' is bad", reference);
    auto file = open_file("/tmp", O_TMPFILE | O_RDWR, 0600);
    std::vector<std::byte> piece(100'000);
    while (const auto size = co_await source.read_some(piece)) {
        if (::write(file.get(), piece.data(), size) < 0) fail(Errc::no_space, "the disk is full");
    }
    co_return std::make_shared<const UniqueFd>(std::move(file));
}

Task<api::ImageInfo> FakeImages::pull_archive(api::ImagePullRequest request, image::Archive archive,
                                              ProgressSink) {
    auto& info = images_[request.name.value_or(request.reference)];
    info.name = request.name.value_or(request.reference);
    info.reference = request.reference;
    info.kernel_ref = request.kernel_ref.value_or("");
    info.download_bytes = static_cast<std::uint64_t>(::lseek(archive->get(), 0, SEEK_END));
    co_return info;
}

Task<api::ImageInfo> FakeImages::register_image(api::ImageRegisterRequest request) {
    auto& info = images_[request.name];
    info.name = request.name;
    info.rootfs_path = request.rootfs;
    info.managed = false;
    co_return info;
}

Task<api::ImageInfo> FakeImages::promote(std::string ref, ProgressSink) {
    co_return co_await show(ref);
}

Task<void> FakeImages::check_registry(api::RegistryCheckRequest request) {
    if (!request.registry_auth || request.registry_auth->password != "open sesame") {
        fail(Errc::unauthorized, "{} refused the login", request.registry);
    }
    co_return;
}

Task<void> FakeImages::remove(std::string ref) {
    if (images_.erase(ref) == 0) fail(Errc::not_found, "no image named '{}'", ref);
    co_return;
}

Task<api::ImageCacheInfo> FakeImages::cache() {
    co_return api::ImageCacheInfo();
}

Task<api::ImageCachePruned> FakeImages::prune_cache(api::ImageCachePruneRequest) {
    co_return api::ImageCachePruned();
}

Task<void> FakeImages::reconcile() {
    co_return;
}

Task<std::vector<api::KernelInfo>> FakeKernels::list() {
    std::vector<api::KernelInfo> infos;
    for (const auto& [name, info] : kernels_)
        infos.push_back(info);
    co_return infos;
}

Task<api::KernelInfo> FakeKernels::show(std::string name) {
    const auto found = kernels_.find(name);
    if (found == kernels_.end()) fail(Errc::not_found, "no kernel named '{}'", name);
    co_return found->second;
}

Task<api::KernelInfo> FakeKernels::import(api::KernelImportRequest request, ProgressSink) {
    auto& info = kernels_[request.name];
    info.name = request.name;
    co_return info;
}

Task<api::KernelInfo> FakeKernels::pull(api::KernelPullRequest request, ProgressSink) {
    auto& info = kernels_[request.name];
    info.name = request.name;
    co_return info;
}

Task<api::KernelInfo> FakeKernels::find_or_pull(std::string name, ProgressSink) {
    co_return co_await show(name);
}

Task<api::KernelInfo> FakeKernels::import_files(std::string name, kernel::KernelPaths,
                                                ProgressSink) {
    auto& info = kernels_[name];
    info.name = name;
    co_return info;
}

Task<void> FakeKernels::remove(std::string name, bool) {
    if (kernels_.erase(name) == 0) fail(Errc::not_found, "no kernel named '{}'", name);
    co_return;
}

Task<void> FakeKernels::reconcile() {
    co_return;
}

Task<std::vector<api::CatalogInfo>> FakeCatalogs::list() {
    std::vector<api::CatalogInfo> infos;
    for (const auto& [name, info] : catalogs_)
        infos.push_back(info);
    co_return infos;
}

Task<api::CatalogInfo> FakeCatalogs::add(api::CatalogAddRequest request) {
    auto& info = catalogs_[request.name];
    info.name = request.name;
    info.url = request.url;
    co_return info;
}

Task<std::vector<api::CatalogInfo>> FakeCatalogs::refresh(std::optional<std::string>) {
    return list();
}

Task<void> FakeCatalogs::remove(std::string name) {
    if (catalogs_.erase(name) == 0) fail(Errc::not_found, "no catalog named '{}'", name);
    co_return;
}

Task<std::optional<api::AvailableEntry>> FakeCatalogs::find(std::string_view, std::string) {
    co_return std::nullopt;
}

Task<std::vector<api::AvailableEntry>> FakeCatalogs::entries(std::string_view) {
    co_return std::vector<api::AvailableEntry>{};
}

}  // namespace banger::test
