#include "pipelines/io/json_check.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "pipelines/io/error.hpp"

namespace banger {
namespace {

using boost::json::error_code;
using boost::json::string_view;

/// What basic_parser tells of a text; nothing of it is kept but the keys of the objects around.
class Handler {
  public:
    static constexpr std::size_t max_object_size = kMaxForeignValues;
    static constexpr std::size_t max_array_size = kMaxForeignValues;
    static constexpr std::size_t max_key_size = SIZE_MAX;
    static constexpr std::size_t max_string_size = SIZE_MAX;

    explicit Handler(std::string_view what) : what_(what) {}

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&) {
        keys_.emplace_back();
        return count();
    }
    bool on_object_end(std::size_t, error_code&) {
        keys_.pop_back();
        return true;
    }
    bool on_array_begin(error_code&) { return count(); }
    bool on_array_end(std::size_t, error_code&) { return true; }
    bool on_key_part(string_view part, std::size_t, error_code&) {
        key_ += std::string_view(part);
        return true;
    }
    bool on_key(string_view part, std::size_t, error_code&) {
        key_ += std::string_view(part);
        if (!keys_.back().insert(key_).second) {
            fail(Errc::invalid_argument, "{} has the key '{}' twice", what_, key_.substr(0, 100));
        }
        key_.clear();
        return count();
    }
    bool on_string_part(string_view, std::size_t, error_code&) { return true; }
    bool on_string(string_view, std::size_t, error_code&) { return count(); }
    bool on_number_part(string_view, error_code&) { return true; }
    bool on_int64(std::int64_t, string_view, error_code&) { return count(); }
    bool on_uint64(std::uint64_t, string_view, error_code&) { return count(); }
    bool on_double(double, string_view, error_code&) { return count(); }
    bool on_bool(bool, error_code&) { return count(); }
    bool on_null(error_code&) { return count(); }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }

  private:
    bool count() {
        if (++values_ <= kMaxForeignValues) return true;
        fail(Errc::invalid_argument, "{} has more than the limit of {} values", what_,
             kMaxForeignValues);
    }

    std::string_view what_;
    std::string key_;
    std::vector<std::unordered_set<std::string>> keys_;
    std::size_t values_ = 0;
};

}  // namespace

void check_foreign_json(std::string_view text, std::string_view what) {
    boost::json::basic_parser<Handler> parser({}, what);
    error_code ignored;
    parser.write_some(false, text.data(), text.size(), ignored);
}

}  // namespace banger
