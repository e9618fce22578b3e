#include "daemon/operations/failure.hpp"

#include <boost/system/system_error.hpp>
#include <new>

#include "pipelines/io/error.hpp"
#include "pipelines/io/utf8.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::operations {
namespace {

api::ErrorBody make_body(Errc code, std::string message) {
    return {.code = std::string(to_string(code)),
            .message = printable_lines(std::move(message)),
            .op_id = {}};
}

}  // namespace

api::ErrorBody describe_failure(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return make_body(error.code(), error.what());
    } catch (const boost::system::system_error& error) {
        if (is_cancellation(failure)) return make_body(Errc::cancelled, "cancelled");
        return make_body(Errc::internal, error.what());
    } catch (const std::bad_alloc&) {
        return make_body(Errc::internal, "out of memory");
    } catch (const std::exception& error) {
        return make_body(Errc::internal, error.what());
    } catch (...) {
        return make_body(Errc::internal, "an exception of an unknown type");
    }
}

}  // namespace banger::operations
