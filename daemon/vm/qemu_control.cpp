#include "daemon/vm/qemu_control.hpp"

#include "daemon/vm/qmp.hpp"

namespace banger::vm {
namespace {

constexpr std::chrono::seconds kLimit{10};

class QemuControl final : public MachineControl {
  public:
    explicit QemuControl(std::string socket) : socket_(std::move(socket)) {}
    Task<void> pause() override { return tell("stop", {}); }
    Task<void> resume() override { return tell("cont", {}); }
    // QEMU makes the file longer itself.
    Task<void> grow_disk(std::size_t index, std::string, std::uint64_t bytes) override {
        return tell("block_resize", {{"device", "disk" + std::to_string(index)}, {"size", bytes}});
    }

  private:
    Task<void> tell(std::string command, boost::json::object arguments) {
        co_await run_qmp(socket_, std::move(command), std::move(arguments), kLimit, "qemu");
    }

    std::string socket_;
};

}  // namespace

std::string qmp_socket(const std::string& vm_directory) {
    return vm_directory + "/qmp.sock";
}

std::unique_ptr<MachineControl> make_qemu_control(std::string vm_directory) {
    return std::make_unique<QemuControl>(qmp_socket(vm_directory));
}

}  // namespace banger::vm
