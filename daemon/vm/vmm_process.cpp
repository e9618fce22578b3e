#include "daemon/vm/vmm_process.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"

namespace banger::vm {
namespace {

/// A process, and the way its backend speaks with it.
class ControlledMachine : public Machine {
  public:
    explicit ControlledMachine(std::unique_ptr<MachineControl> control)
        : control_(std::move(control)) {}
    Task<void> pause() override { return control_->pause(); }
    Task<void> resume() override { return control_->resume(); }
    Task<void> grow_disk(std::size_t index, std::string path, std::uint64_t bytes) override {
        return control_->grow_disk(index, std::move(path), bytes);
    }

  private:
    std::unique_ptr<MachineControl> control_;
};

class ChildMachine final : public ControlledMachine {
  public:
    ChildMachine(Subprocess process, std::unique_ptr<MachineControl> control)
        : ControlledMachine(std::move(control)), process_(std::move(process)) {}
    MachineHandle handle() const override { return {process_.pid(), process_.start_time()}; }
    Task<std::optional<ExitStatus>> wait_end() override { co_return co_await process_.wait(); }
    void signal(int number) noexcept override { process_.signal(number); }

  private:
    Subprocess process_;
};

class AdoptedMachine final : public ControlledMachine {
  public:
    AdoptedMachine(MachineHandle handle, std::unique_ptr<ForeignProcess> process,
                   std::unique_ptr<MachineControl> control)
        : ControlledMachine(std::move(control)), handle_(handle), process_(std::move(process)) {}
    MachineHandle handle() const override { return handle_; }
    Task<std::optional<ExitStatus>> wait_end() override {
        co_await process_->wait_gone();
        co_return std::nullopt;
    }
    void signal(int number) noexcept override { process_->signal(number); }

  private:
    MachineHandle handle_;
    std::unique_ptr<ForeignProcess> process_;
};

std::optional<int> pid_of(const std::filesystem::path& directory) {
    auto name = directory.filename().string();
    int pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return pid;
}

bool was_given(const std::filesystem::path& directory, const std::string& argument) {
    struct stat status{};
    if (::stat(directory.c_str(), &status) != 0 || status.st_uid != ::geteuid()) return false;
    try {
        return read_file(directory / "cmdline").find(argument) != std::string::npos;
    } catch (const Error&) {
        return false;  // it has ended meanwhile
    }
}

}  // namespace

std::unique_ptr<Machine> make_child_machine(Subprocess process,
                                            std::unique_ptr<MachineControl> control) {
    return std::make_unique<ChildMachine>(std::move(process), std::move(control));
}

std::unique_ptr<Machine> find_machine(boost::asio::any_io_executor executor,
                                      const MachineHandle& handle,
                                      std::unique_ptr<MachineControl> control) {
    auto process = ForeignProcess::find(std::move(executor), handle.pid, handle.start_time);
    if (!process) return nullptr;
    return std::make_unique<AdoptedMachine>(handle, std::move(process), std::move(control));
}

std::optional<MachineHandle> find_process_with_argument_blocking(const std::string& argument) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
        auto pid = pid_of(entry.path());
        if (!pid || *pid == ::getpid() || !was_given(entry.path(), argument)) continue;
        auto stat = read_process_stat(*pid);
        if (stat && stat->state != 'Z') return MachineHandle{*pid, stat->start_time};
    }
    return std::nullopt;
}

}  // namespace banger::vm
