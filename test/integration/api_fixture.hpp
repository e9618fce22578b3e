#pragma once

#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "daemon/api/listener.hpp"
#include "daemon/api/server.hpp"
#include "daemon/config.hpp"
#include "daemon/operations/operations.hpp"
#include "daemon/paths.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/subprocess.hpp"
#include "pipelines/io/task_group.hpp"
#include "test/integration/api_fakes.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

namespace banger::test {

/// The real server at a socket of its own, over services in memory.
class ApiFixture {
  public:
    ApiFixture(boost::asio::any_io_executor executor, api::ServerLimits limits)
        : paths{.state = directory / "state",
                .cache = directory / "cache",
                .config_file = directory / "config.toml",
                .runtime = directory / "run"},
          vms(executor),
          operations(executor),
          services{.config = config,
                   .paths = paths,
                   .vms = vms,
                   .images = images,
                   .kernels = kernels,
                   .catalogs = catalogs,
                   .operations = operations,
                   .started_at = "2026-01-01T00:00:00.000Z",
                   .writer = "pwrite (a test)",
                   .request_stop = [this] { stop_requested = true; },
                   .check_backend = backend_rows},
          server(executor, api::listen_at(paths.socket()), api::all_routes(), services, limits) {}

    /// curl's run to its end. `more` are its arguments; the last one is the path.
    Task<RunResult> curl(std::vector<std::string> more) {
        std::vector<std::string> argv{"curl", "-sS",           "--max-time",
                                      "20",   "--unix-socket", paths.socket()};
        more.back() = "http://banger" + more.back();
        argv.insert(argv.end(), more.begin(), more.end());
        co_return co_await run(std::move(argv), std::chrono::seconds(30));
    }

    /// The same. GCC 14 crashes on a braced list of computed strings inside a co_await.
    template <class... Words>
        requires(sizeof...(Words) > 1)
    Task<RunResult> curl(const Words&... more) {
        return curl(std::vector<std::string>{more...});
    }

    /// The status and the JSON body.
    struct Answer {
        int status = 0;
        boost::json::value body;
    };
    Task<Answer> ask(std::string method, std::string path, std::string body = {}) {
        std::vector<std::string> more{"-X", method, "-w", "\n%{http_code}"};
        if (!body.empty()) more.insert(more.end(), {"-d", body});
        more.push_back(path);
        const auto result = co_await curl(std::move(more));
        if (!result.status.success()) throw std::runtime_error("curl: " + result.err);
        const auto cut = result.out.rfind('\n');
        const auto text = result.out.substr(0, cut);
        co_return Answer{
            .status = std::stoi(result.out.substr(cut + 1)),
            .body = text.empty() ? boost::json::value() : parse_json(text, "the answer")};
    }

    TempDir directory;
    Config config;
    Paths paths;
    FakeVms vms;
    FakeImages images;
    FakeKernels kernels;
    FakeCatalogs catalogs;
    operations::Operations operations;
    bool stop_requested = false;
    api::Services services;
    api::Server server;

  private:
    static Task<std::vector<api::DoctorRow>> backend_rows() {
        co_return std::vector<api::DoctorRow>{
            {.check = "qemu", .status = "pass", .detail = "a test"}};
    }
};

using ApiTest = Task<void> (*)(ApiFixture&);

inline Task<void> serve_while(ApiTest test, api::ServerLimits limits) {
    auto executor = co_await boost::asio::this_coro::executor;
    ApiFixture fixture(executor, limits);
    TaskGroup group(executor);
    group.spawn(fixture.server.run());
    std::exception_ptr failure;
    try {
        co_await test(fixture);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await fixture.operations.close();
    fixture.server.stop();
    co_await group.join();
    if (failure) std::rethrow_exception(failure);
}

/// Runs `test` against a server that lives as long as it.
inline void with_api(ApiTest test, api::ServerLimits limits = {}) {
    run_task(serve_while(test, limits));
}

}  // namespace banger::test
