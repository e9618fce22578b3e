#include "test/support/registry_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "pipelines/io/unique_fd.hpp"
#include "test/support/oci_builder.hpp"

extern char** environ;

namespace banger::test {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

bool answers(std::uint16_t port) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = loopback(port);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// setpriv sees to it that the registry does not outlive a crashed test.
pid_t spawn_registry(const std::string& config, const std::string& log) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    const char* argv[] = {"setpriv", "--pdeathsig",  "KILL", "docker-registry",
                          "serve",   config.c_str(), nullptr};
    pid_t pid = -1;
    const int error =
        ::posix_spawnp(&pid, argv[0], &actions, nullptr, const_cast<char* const*>(argv), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("cannot start docker-registry");
    return pid;
}

}  // namespace

std::uint16_t free_port() {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(0);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd.get(), generic, size) != 0 || ::getsockname(fd.get(), generic, &size) != 0) {
        throw std::runtime_error("no free port");
    }
    return ntohs(address.sin_port);
}

RegistryProcess::RegistryProcess() : port_(free_port()) {
    write_file(dir_ / "config.yml",
               "version: 0.1\n"
               "log: {level: error, accesslog: {disabled: true}}\n"
               "storage: {filesystem: {rootdirectory: " +
                   (dir_ / "storage") +
                   "}}\n"
                   "http: {addr: \"" +
                   host() + "\"}\n");
    pid_ = spawn_registry(dir_ / "config.yml", dir_ / "log");
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    while (!answers(port_)) {
        if (Clock::now() > deadline || ::waitpid(pid_, nullptr, WNOHANG) != 0) {
            throw std::runtime_error("docker-registry does not answer: " + read_text(dir_ / "log"));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

RegistryProcess::~RegistryProcess() {
    stop();
}

void RegistryProcess::stop() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void RegistryProcess::push(const std::string& source, const std::string& name,
                           const std::string& options) {
    const auto log = dir_ / "push.log";
    const auto command = "skopeo --insecure-policy copy --all --dest-tls-verify=false " + options +
                         " '" + source + "' 'docker://" + host() + "/" + name + "' >" + log +
                         " 2>&1";
    if (std::system(command.c_str()) != 0) {
        throw std::runtime_error("skopeo failed: " + read_text(log));
    }
}

std::string RegistryProcess::blob_path(const std::string& digest) const {
    const auto hex = digest.substr(digest.find(':') + 1);
    return (dir_ / "storage/docker/registry/v2/blobs/sha256/") + hex.substr(0, 2) + "/" + hex +
           "/data";
}

}  // namespace banger::test
