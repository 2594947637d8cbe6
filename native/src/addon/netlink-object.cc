#include "addon/netlink-object.h"

#include <memory>
#include <vector>

#include "addon/netlink.h"
#include "addon/values.h"

namespace sojourn::js {
namespace {

constexpr u64 kUnlimitedMs = 1'000'000;

Napi::Array arrayOf(Napi::Env env, const Datagrams& datagrams) {
  Napi::Array array = Napi::Array::New(env, datagrams.size());
  u32 index = 0;
  for (const std::vector<u8>& datagram : datagrams) {
    array[index++] = bytesFrom(env, datagram.data(), datagram.size());
  }
  return array;
}

// A dump on another thread, by a socket of its own: a full table takes a second.
class RouteDump : public Napi::AsyncWorker {
 public:
  RouteDump(Napi::Env env, std::vector<u8> message, RelevantRoutes routes)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        message_(std::move(message)),
        routes_(routes) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      Netlink netlink;
      found_ = netlink.dumpRoutes(message_.data(), message_.size(), routes_, kUnlimitedMs)
                   .value_or(Datagrams{});
    } catch (const std::exception& error) {
      SetError(error.what());
    }
  }

  void OnOK() override { deferred_.Resolve(arrayOf(Env(), found_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::vector<u8> message_;
  const RelevantRoutes routes_;
  Datagrams found_;
};

class NetlinkObject : public Napi::ObjectWrap<NetlinkObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Netlink",
                       {InstanceMethod("request", &NetlinkObject::request),
                        InstanceMethod("dumpRoutes", &NetlinkObject::dumpRoutes),
                        InstanceMethod("dumpRoutesLater", &NetlinkObject::dumpRoutesLater),
                        InstanceMethod("subscribe", &NetlinkObject::subscribe),
                        InstanceMethod("close", &NetlinkObject::close)});
  }

  explicit NetlinkObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetlinkObject>(info) {
    withErrors(info.Env(), [&] { netlink_ = std::make_unique<Netlink>(); });
  }
  ~NetlinkObject() override { end(); }

 private:
  struct Notification {
    Datagrams datagrams;
    bool overrun;
  };

  static u8 protocolOf(const Napi::Value& value) {
    return static_cast<u8>(value.As<Napi::Number>().Uint32Value());
  }

  Netlink& netlink(const Napi::CallbackInfo& info) {
    if (netlink_ == nullptr) throw typeError(info.Env(), "the netlink socket is closed");
    return *netlink_;
  }

  void end() {
    if (netlink_ == nullptr) return;
    netlink_.reset();
    if (subscribed_) notify_.Release();
  }

  Napi::Value request(const Napi::CallbackInfo& info) {
    const Napi::Uint8Array message = bytesOf(info[0]);
    return withErrors(info.Env(), [&]() -> Napi::Value {
      return arrayOf(info.Env(), netlink(info).request(message.Data(), message.ByteLength()));
    });
  }

  Napi::Value dumpRoutes(const Napi::CallbackInfo& info) {
    const Napi::Uint8Array message = bytesOf(info[0]);
    const RelevantRoutes routes{protocolOf(info[1])};
    const u64 budgetMs = info[2].As<Napi::Number>().Uint32Value();
    return withErrors(info.Env(), [&]() -> Napi::Value {
      const auto found =
          netlink(info).dumpRoutes(message.Data(), message.ByteLength(), routes, budgetMs);
      return found ? Napi::Value(arrayOf(info.Env(), *found)) : info.Env().Undefined();
    });
  }

  Napi::Value dumpRoutesLater(const Napi::CallbackInfo& info) {
    const Napi::Uint8Array message = bytesOf(info[0]);
    auto* dump = new RouteDump(info.Env(), {message.Data(), message.Data() + message.ByteLength()},
                               {protocolOf(info[1])});
    const Napi::Promise promise = dump->promise();
    dump->Queue();
    return promise;
  }

  void subscribe(const Napi::CallbackInfo& info) {
    const auto list = info[0].As<Napi::Array>();
    std::vector<int> groups;
    for (u32 index = 0; index < list.Length(); index++) {
      groups.push_back(list.Get(index).As<Napi::Number>().Int32Value());
    }
    Netlink& netlink = this->netlink(info);
    if (subscribed_) throw typeError(info.Env(), "the netlink socket has a subscription already");
    const RelevantRoutes routes{protocolOf(info[1])};
    notify_ =
        Napi::ThreadSafeFunction::New(info.Env(), info[2].As<Napi::Function>(), "netlink", 0, 1);
    subscribed_ = true;
    withErrors(info.Env(), [&] {
      netlink.subscribe(groups, routes, [this](Datagrams&& datagrams, bool overrun) {
        notify(std::move(datagrams), overrun);
      });
    });
  }

  void notify(Datagrams&& datagrams, bool overrun) {
    auto* notification = new Notification{std::move(datagrams), overrun};
    const napi_status status = notify_.NonBlockingCall(
        notification, [](Napi::Env env, Napi::Function handler, Notification* data) {
          const std::unique_ptr<Notification> owned(data);
          handler.Call({arrayOf(env, owned->datagrams), Napi::Boolean::New(env, owned->overrun)});
        });
    if (status != napi_ok) delete notification;
  }

  void close(const Napi::CallbackInfo&) { end(); }

  std::unique_ptr<Netlink> netlink_;
  Napi::ThreadSafeFunction notify_;
  bool subscribed_ = false;
};

}  // namespace

Napi::Function defineNetlink(Napi::Env env) { return NetlinkObject::define(env); }

}  // namespace sojourn::js
