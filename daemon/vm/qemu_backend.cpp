#include "daemon/vm/qemu_backend.hpp"

#include <fcntl.h>

#include "daemon/vm/boot_report.hpp"
#include "daemon/vm/file_tail.hpp"
#include "daemon/vm/networked_machine.hpp"
#include "daemon/vm/qemu_control.hpp"
#include "daemon/vm/vmm_process.hpp"

namespace banger::vm {
namespace {

class QemuBackend final : public Backend {
  public:
    QemuBackend(boost::asio::any_io_executor executor, QemuOptions options)
        : executor_(std::move(executor)), options_(std::move(options)) {}

    std::string name() const override { return "qemu"; }
    std::string isolation() const override { return options_.kvm ? "hardware" : "emulated"; }
    bool uses_pci(bool kernel_has_pvh) const override { return qemu_uses_pci(kernel_has_pvh); }
    bool uses_vsock() const override { return false; }

    Task<std::unique_ptr<Machine>> launch(const MachineSpec& spec) override {
        auto log = open_file(spec.log_directory + "/vmm.log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        SubprocessOptions process;
        process.argv = command_line(spec);
        process.cwd = spec.directory;
        process.stdout_fd = log.get();
        process.stderr_fd = log.get();
        process.new_session = true;
        if (has_network(spec)) make_life(spec.directory);
        auto machine = make_child_machine(Subprocess::spawn(executor_, process),
                                          make_qemu_control(spec.directory));
        co_return with_network_end(executor_, std::move(machine), spec.directory);
    }

    std::optional<MachineHandle> find_orphan_blocking(const std::string& directory) override {
        return find_process_with_argument_blocking(guest_socket(directory));
    }

    std::unique_ptr<Machine> adopt(const MachineHandle& handle,
                                   const std::string& directory) override {
        return with_network_end(
            executor_, find_machine(executor_, handle, make_qemu_control(directory)), directory);
    }

    std::string describe_exit(const std::string& log_directory,
                              const std::optional<ExitStatus>& status) const override {
        auto words = last_lines(read_tail_blocking(log_directory + "/vmm.log", 4096), 1);
        auto how = status ? status->describe() : "ended while no daemon watched";
        return words.empty() ? how : how + ": " + words;
    }

  private:
    bool has_network(const MachineSpec& spec) const {
        return spec.user_network && options_.network;
    }

    std::vector<std::string> command_line(const MachineSpec& spec) const {
        auto words = qemu_argv(options_, spec);
        if (!has_network(spec)) return words;
        return with_user_network(options_.launcher, *options_.network, spec.directory,
                                 spec.log_directory, std::move(words));
    }

    boost::asio::any_io_executor executor_;
    QemuOptions options_;
};

}  // namespace

std::unique_ptr<Backend> make_qemu_backend(boost::asio::any_io_executor executor,
                                           QemuOptions options) {
    return std::make_unique<QemuBackend>(std::move(executor), std::move(options));
}

}  // namespace banger::vm
