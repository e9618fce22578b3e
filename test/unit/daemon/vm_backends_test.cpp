#include "daemon/vm/backends.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::vm;

namespace {

/// Only known by its name; that is all a choice needs.
class NamedBackend final : public Backend {
  public:
    NamedBackend(std::string name, bool pci) : name_(std::move(name)), pci_(pci) {}
    std::string name() const override { return name_; }
    std::string isolation() const override { return "hardware"; }
    bool uses_pci(bool kernel_has_pvh) const override { return pci_ && !kernel_has_pvh; }
    bool uses_vsock() const override { return false; }
    Task<std::unique_ptr<Machine>> launch(const MachineSpec&) override { co_return nullptr; }
    std::optional<MachineHandle> find_orphan_blocking(const std::string&) override { return {}; }
    std::unique_ptr<Machine> adopt(const MachineHandle&, const std::string&) override {
        return nullptr;
    }
    std::string describe_exit(const std::string&, const std::optional<ExitStatus>&) const override {
        return "";
    }

  private:
    std::string name_;
    bool pci_;
};

Backends two_backends(std::string no_kvm, std::string unfit) {
    Backends backends(std::move(no_kvm));
    backends.add(std::make_unique<NamedBackend>("firecracker", false), std::move(unfit));
    backends.add(std::make_unique<NamedBackend>("qemu", true));
    return backends;
}

std::string chosen(const Backends& backends, const BackendWish& wish) {
    return backends.choose(wish).name();
}

}  // namespace

TEST_CASE("auto takes the first backend that VMs start by") {
    CHECK(chosen(two_backends("", ""), {.name = "auto"}) == "firecracker");
    CHECK(chosen(two_backends("", "it is not installed"), {.name = "auto"}) == "qemu");
}

TEST_CASE("auto gives a kernel without pvh the backend that has a bus") {
    CHECK(chosen(two_backends("", ""), {.name = "auto", .kernel_has_pvh = false}) == "qemu");
    CHECK(chosen(two_backends("", ""), {.name = "firecracker", .kernel_has_pvh = false}) ==
          "firecracker");
}

TEST_CASE("a backend that is asked for by name is taken or refused, never replaced") {
    auto backends = two_backends("", "it is not installed");
    CHECK(chosen(backends, {.name = "qemu"}) == "qemu");
    CHECK_THROWS_WITH(backends.choose({.name = "firecracker"}),
                      "backend 'firecracker' cannot run vms here: it is not installed");
    CHECK_THROWS_WITH(backends.choose({.name = "xen"}),
                      "'xen' is no backend: use 'auto', 'firecracker', 'qemu'");
}

TEST_CASE("hardware that is required and not there is refused with the reason") {
    auto backends = two_backends("it is a toaster", "kvm is missing");
    CHECK_THROWS_WITH(backends.choose({.name = "auto", .require_hardware = true}),
                      "kvm is required, but this host cannot: it is a toaster");
    CHECK(chosen(two_backends("", ""), {.name = "auto", .require_hardware = true}) ==
          "firecracker");
}

TEST_CASE("what runs is found by a backend that starts nothing any more") {
    auto backends = two_backends("", "it was removed");
    CHECK(backends.of("firecracker").name() == "firecracker");
    CHECK_THROWS_WITH(backends.for_start("firecracker"),
                      "backend 'firecracker' cannot run vms here: it was removed");
    CHECK_THROWS_AS(backends.of("xen"), Error);
}
