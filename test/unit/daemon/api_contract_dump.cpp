// Prints the route table and the described types of the API as JSON: what openapi_test.py compares
// with docs/openapi.yaml.

#include <boost/core/demangle.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <optional>
#include <type_traits>
#include <vector>

#include "daemon/api/router.hpp"
#include "daemon/api/types.hpp"

namespace {

using namespace banger;
namespace json = boost::json;

template <class T>
std::string name_of() {
    const auto full = boost::core::demangle(typeid(T).name());
    return full.substr(full.rfind(':') + 1);
}

template <class T>
struct Element {
    using type = void;
};
template <class T>
struct Element<std::vector<T>> {
    using type = T;
};
template <class T>
struct Element<std::optional<T>> {
    using type = T;
};

template <class T>
json::object schema() {
    using Inner = typename Element<T>::type;
    if constexpr (banger::detail::kIsOptional<T>) {
        auto inner = schema<Inner>();
        inner["optional"] = true;
        return inner;
    } else if constexpr (!std::is_void_v<Inner>) {
        return {{"type", "array"}, {"items", schema<Inner>()}};
    } else if constexpr (std::is_same_v<T, std::string>) {
        return {{"type", "string"}};
    } else if constexpr (std::is_same_v<T, bool>) {
        return {{"type", "boolean"}};
    } else if constexpr (std::is_integral_v<T>) {
        return {{"type", "integer"}};
    } else if constexpr (std::is_same_v<T, json::value>) {
        return {};
    } else {
        return {{"ref", name_of<T>()}};
    }
}

template <class T>
void add(json::object& types) {
    json::object members;
    boost::mp11::mp_for_each<banger::detail::MembersOf<T>>([&](auto member) {
        using Field = std::remove_cvref_t<decltype(std::declval<T>().*member.pointer)>;
        members[member.name] = schema<Field>();
    });
    types[name_of<T>()] = std::move(members);
}

template <class... T>
json::object describe_all() {
    json::object types;
    (add<T>(types), ...);
    return types;
}

}  // namespace

int main() {
    json::array routes;
    for (const auto& route : api::all_routes()) {
        routes.push_back({{"method", route.method}, {"path", route.pattern}});
    }
    const auto types = describe_all<
        api::ErrorBody, api::VersionInfo, api::DaemonInfo, api::DoctorRow, api::ImageInfo,
        api::ImagePullRequest, api::RegistryAuth, api::RegistryCheckRequest, api::RegistryCheck,
        api::CachedBlob, api::ImageCacheInfo, api::ImageCachePruneRequest, api::ImageCachePruned,
        api::KernelInfo, api::CatalogInfo, api::CatalogAddRequest, api::CatalogRefreshRequest,
        api::AvailableEntry, api::KernelPullRequest, api::ImageRegisterRequest,
        api::KernelImportRequest, api::BootMark, api::BootReport, api::VmInfo, api::VmCreateRequest,
        api::VmStopRequest, api::VmKillRequest, api::VmChangeRequest, api::VmStats, api::VmHealth,
        api::ExecRequest, api::ExecLine, api::OperationInfo, api::ProgressEvent, api::PublishedPort,
        api::GuestListener, api::VmPorts, api::PublishAllRequest>();
    std::cout << json::serialize(json::object{{"routes", routes}, {"types", types}}) << '\n';
}
