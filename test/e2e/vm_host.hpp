#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/vm/make_vm_service.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/temp_dir.hpp"

namespace banger::test {

/// A daemon's inside without its API: store, images, kernels, QEMU and the VM service, in
/// directories of their own. The kernel and the busybox image are the real ones.
class VmHost {
  public:
    /// `disk_reserve` as in config.toml.
    explicit VmHost(std::uint64_t disk_reserve = 0);
    ~VmHost();

    vm::VmService& vms();
    const Paths& paths() const;
    boost::asio::io_context& context() { return context_; }
    /// Pulls one of make-test-images' images, once, and gives its local name.
    std::string image(const std::string& name);
    /// Pulls any image, and gives its local name.
    std::string pull(const std::string& source, const std::string& name);
    std::string rootfs_of(const std::string& image);
    /// Imports a kernel, and gives its name.
    std::string import_kernel(api::KernelImportRequest request);

    /// A new service over the same store, as after a restart of the daemon.
    void restart();
    /// Runs a task to its end while everything else goes on.
    template <class T>
    T run(Task<T> task, std::chrono::seconds limit = std::chrono::seconds(180)) {
        std::optional<ValueOf<T>> result;
        drive(banger::detail::store(std::move(task), result), limit);
        if constexpr (!std::is_void_v<T>) return std::move(*result);
    }

    /// A VM of the busybox image that runs.
    api::VmInfo boot(std::string name, std::string image = "busybox");
    /// Changes what the store remembers of a VM, behind the service's back.
    void rewrite_record(const std::string& name,
                        const std::function<void(boost::json::object&)>& change);
    /// Whether VMs may ask for backend "firecracker": the stand-in for it can work here.
    bool has_firecracker() const;
    /// Bytes that a file occupies on the disk.
    static std::uint64_t blocks_of(const std::string& path);
    /// Processes that were given this host's directory.
    std::vector<int> vmms() const;

  private:
    struct Parts;
    void drive(Task<void> task, std::chrono::seconds limit);
    void open();
    void close();

    boost::asio::io_context context_{1};
    TempDir directory_;
    std::uint64_t disk_reserve_;
    std::unique_ptr<Parts> parts_;
};

/// The one host of this test program: its image and kernel are made once.
VmHost& vm_host();

/// What a command in a guest gave.
struct Outcome {
    std::string out;
    std::string err;
    int exit_code = -1;
};
Outcome exec(VmHost& host, const std::string& vm, std::vector<std::string> command,
             std::string input = {});
/// The same by sh -c.
Outcome shell(VmHost& host, const std::string& vm, std::string script);

}  // namespace banger::test
