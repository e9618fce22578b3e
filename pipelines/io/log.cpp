#include "pipelines/io/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "pipelines/io/error.hpp"

namespace banger {
namespace {

/// sd-daemon(3): "<3>" and the like tell journald the severity of a line.
class JournalPriority : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm&,
                spdlog::memory_buf_t& out) override {
        const std::string_view prefix = of(message.level);
        out.append(prefix.data(), prefix.data() + prefix.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<JournalPriority>();
    }

  private:
    static std::string_view of(spdlog::level::level_enum level) {
        switch (level) {
            case spdlog::level::critical:
                return "<2>";
            case spdlog::level::err:
                return "<3>";
            case spdlog::level::warn:
                return "<4>";
            case spdlog::level::info:
                return "<6>";
            default:
                return "<7>";
        }
    }
};

/// systemd.exec(5): $JOURNAL_STREAM names the journal's socket. It is inherited by whoever starts
/// from a unit, so it counts only while standard error really is that socket.
bool writes_to_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat info{};
    if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
    return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

spdlog::level::level_enum parse_level(const std::string& level) {
    constexpr std::array<std::string_view, 5> kLevels{"trace", "debug", "info", "warn", "error"};
    const auto found = std::find(kLevels.begin(), kLevels.end(), level);
    if (found == kLevels.end()) {
        fail(Errc::invalid_argument,
             "unknown log level '{}'; use trace, debug, info, warn or error", level);
    }
    return static_cast<spdlog::level::level_enum>(found - kLevels.begin());
}

}  // namespace

void setup_logging(const std::string& level) {
    const auto parsed = parse_level(level);
    auto logger = std::make_shared<spdlog::logger>(
        "banger", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (writes_to_journal()) {
        auto formatter = std::make_unique<spdlog::pattern_formatter>();
        formatter->add_flag<JournalPriority>('*').set_pattern("%*%v");
        logger->set_formatter(std::move(formatter));
    } else {
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    }
    logger->set_level(parsed);
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace banger
