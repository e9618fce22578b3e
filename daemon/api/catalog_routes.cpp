#include "daemon/api/operation_response.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/image/catalog_service.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

Task<boost::json::value> add(catalog::CatalogService& catalogs, CatalogAddRequest wanted) {
    co_return to_json(co_await catalogs.add(std::move(wanted)));
}

Task<boost::json::value> refresh(catalog::CatalogService& catalogs, CatalogRefreshRequest wanted) {
    co_return to_json(co_await catalogs.refresh(std::move(wanted.name)));
}

}  // namespace

Task<Response> list_catalogs(const Request&, Services& services) {
    co_return json_response(to_json(co_await services.catalogs.list()));
}

Task<Response> add_catalog(const Request& request, Services& services) {
    const auto wanted = parse_body<CatalogAddRequest>(request);
    if (wanted.name.empty() || wanted.url.empty()) {
        fail(Errc::invalid_argument, "expected a name and a url");
    }
    auto work = [&catalogs = services.catalogs, wanted](const ProgressSink&) {
        return add(catalogs, wanted);
    };
    co_return start_operation(request, services, "catalog.add", wanted.name, std::move(work));
}

Task<Response> refresh_catalogs(const Request& request, Services& services) {
    const auto wanted = parse_body<CatalogRefreshRequest>(request);
    auto work = [&catalogs = services.catalogs, wanted](const ProgressSink&) {
        return refresh(catalogs, wanted);
    };
    co_return start_operation(request, services, "catalog.refresh", wanted.name.value_or("all"),
                              std::move(work));
}

Task<Response> delete_catalog(const Request& request, Services& services) {
    co_await services.catalogs.remove(request.param("catalog"));
    co_return Response{.status = 204, .content_type = {}, .body = {}, .headers = {}};
}

Task<Response> list_catalog_entries(const Request& request, Services& services) {
    const auto type = request.query_value("type").value_or("images");
    if (type != "images" && type != "kernels") {
        fail(Errc::invalid_argument, "type: expected images or kernels, not '{}'", type);
    }
    co_return json_response(to_json(co_await services.catalogs.entries(type)));
}

}  // namespace banger::api
