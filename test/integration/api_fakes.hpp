#pragma once

// Services in memory, for tests of the protocol alone; the real ones have their own.

#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <map>

#include "daemon/image/catalog_service.hpp"
#include "daemon/image/image_service.hpp"
#include "daemon/image/kernel_service.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/notifier.hpp"

namespace banger::test {

/// What the processes of FakeVms have seen and how they ended.
struct FakeProcesses {
    int started = 0;
    int destroyed = 0;
    std::vector<int> signals;
    std::vector<std::pair<int, int>> sizes;
    std::size_t most_unread = 0;  ///< bytes taken from a client before the process read them
    std::size_t written = 0;      ///< bytes of output handed out
};

/// VMs whose processes are: `cat` (standard input to standard output), `exit N`, `both` (a line on
/// either output), `bytes` (no UTF-8, and a character in two pieces), `spam` (output for ever),
/// `wait` (for a signal, ends with 128+n), `head` (closes standard input at once), `vanish` (the VM
/// goes away).
class FakeVms final : public vm::VmService {
  public:
    explicit FakeVms(boost::asio::any_io_executor executor);
    ~FakeVms() override;

    Task<std::vector<api::VmInfo>> list() override;
    Task<api::VmInfo> show(std::string ref) override;
    /// A VM named "slow" takes until it is cancelled and reports progress every millisecond.
    Task<api::VmInfo> create(api::VmCreateRequest request, ProgressSink progress) override;
    Task<api::VmInfo> start(std::string ref, ProgressSink progress) override;
    Task<api::VmInfo> stop(std::string ref, int seconds, ProgressSink progress) override;
    Task<void> remove(std::string ref, bool force, ProgressSink progress) override;
    Task<api::VmInfo> restart(std::string ref, int seconds, ProgressSink progress) override;
    Task<api::VmInfo> kill(std::string ref, int signal) override;
    Task<api::VmInfo> change(std::string ref, api::VmChangeRequest request) override;
    Task<api::VmStats> stats(std::string ref) override;
    Task<api::VmHealth> health(std::string ref) override;
    Task<api::VmInfo> pause(std::string ref) override;
    Task<api::VmInfo> resume(std::string ref) override;
    Task<std::unique_ptr<vm::ExecSession>> exec(std::string ref, api::ExecRequest request) override;
    /// Port 7 echoes until its input ends, port 13 breaks at once; no other is open.
    Task<std::unique_ptr<net::GuestConnection>> connect(std::string ref,
                                                        std::uint16_t port) override;
    Task<api::VmPorts> ports(std::string ref) override;
    Task<api::VmPorts> publish(std::string ref, api::PublishedPort port) override;
    Task<api::VmPorts> unpublish(std::string ref, std::string address, std::uint16_t host) override;
    Task<api::VmPorts> publish_all(std::string ref, bool enabled) override;
    Task<std::string> serial_log(std::string ref, std::size_t bytes) override;
    Task<void> reconcile() override;
    Task<void> close() override;

    FakeProcesses processes;
    api::ExecRequest last_exec;
    int last_stop_seconds = 0;
    bool cancelled = false;
    bool list_hangs = false;
    int lists_cancelled = 0;

  private:
    api::VmInfo& get(const std::string& ref);
    boost::asio::any_io_executor executor_;
    std::map<std::string, api::VmInfo> vms_;
    std::map<std::string, api::VmPorts> ports_;
};

class FakeImages final : public image::ImageService {
  public:
    Task<std::vector<api::ImageInfo>> list() override;
    Task<std::optional<api::ImageInfo>> find(std::string ref) override;
    Task<api::ImageInfo> show(std::string ref) override;
    /// References that begin with "bad" fail with digest_mismatch.
    Task<api::ImageInfo> pull(api::ImagePullRequest request, ProgressSink progress) override;
    /// What is sent, without a look at it; references that begin with "bad" are refused at once.
    Task<image::Archive> receive(std::string reference, ByteSource& source) override;
    /// Counts the bytes that came as the image's download_bytes.
    Task<api::ImageInfo> pull_archive(api::ImagePullRequest request, image::Archive archive,
                                      ProgressSink progress) override;
    Task<api::ImageInfo> register_image(api::ImageRegisterRequest request) override;
    Task<api::ImageInfo> promote(std::string ref, ProgressSink progress) override;
    /// Lets in who says "open sesame".
    Task<void> check_registry(api::RegistryCheckRequest request) override;
    Task<void> remove(std::string ref) override;
    Task<api::ImageCacheInfo> cache() override;
    Task<api::ImageCachePruned> prune_cache(api::ImageCachePruneRequest request) override;
    Task<void> reconcile() override;

  private:
    std::map<std::string, api::ImageInfo> images_;
};

class FakeKernels final : public kernel::KernelService {
  public:
    Task<std::vector<api::KernelInfo>> list() override;
    Task<api::KernelInfo> show(std::string name) override;
    Task<api::KernelInfo> import(api::KernelImportRequest request, ProgressSink progress) override;
    Task<api::KernelInfo> pull(api::KernelPullRequest request, ProgressSink progress) override;
    Task<api::KernelInfo> find_or_pull(std::string name, ProgressSink progress) override;
    Task<api::KernelInfo> import_files(std::string name, kernel::KernelPaths paths,
                                       ProgressSink progress) override;
    Task<void> remove(std::string name, bool force) override;
    Task<void> reconcile() override;

  private:
    std::map<std::string, api::KernelInfo> kernels_;
};

/// Keeps what it is told, fetches nothing.
class FakeCatalogs final : public catalog::CatalogService {
  public:
    Task<void> reconcile() override { co_return; }
    Task<std::vector<api::CatalogInfo>> list() override;
    Task<api::CatalogInfo> add(api::CatalogAddRequest request) override;
    Task<std::vector<api::CatalogInfo>> refresh(std::optional<std::string> name) override;
    Task<void> remove(std::string name) override;
    Task<std::optional<api::AvailableEntry>> find(std::string_view type, std::string name) override;
    Task<std::vector<api::AvailableEntry>> entries(std::string_view type) override;

  private:
    std::map<std::string, api::CatalogInfo> catalogs_;
};

}  // namespace banger::test
