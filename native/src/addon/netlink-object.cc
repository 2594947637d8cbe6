#include "addon/netlink-object.h"

#include <memory>
#include <vector>

#include "addon/netlink.h"
#include "addon/values.h"

namespace sojourn::js {
namespace {

class NetlinkObject : public Napi::ObjectWrap<NetlinkObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Netlink",
                       {InstanceMethod("request", &NetlinkObject::request),
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

  static Napi::Array arrayOf(Napi::Env env, const Datagrams& datagrams) {
    Napi::Array array = Napi::Array::New(env, datagrams.size());
    u32 index = 0;
    for (const std::vector<u8>& datagram : datagrams) {
      array[index++] = bytesFrom(env, datagram.data(), datagram.size());
    }
    return array;
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

  void subscribe(const Napi::CallbackInfo& info) {
    const auto list = info[0].As<Napi::Array>();
    std::vector<int> groups;
    for (u32 index = 0; index < list.Length(); index++) {
      groups.push_back(list.Get(index).As<Napi::Number>().Int32Value());
    }
    Netlink& netlink = this->netlink(info);
    if (subscribed_) throw typeError(info.Env(), "the netlink socket has a subscription already");
    notify_ =
        Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "netlink", 0, 1);
    subscribed_ = true;
    withErrors(info.Env(), [&] {
      netlink.subscribe(groups, [this](Datagrams&& datagrams, bool overrun) {
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
