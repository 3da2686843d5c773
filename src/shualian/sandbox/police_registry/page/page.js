"use strict";

// The page of the stand-in: everything goes to its own origin, nothing is kept in the browser.
const WORDS = {
  zh: {
    document: "公安库演练替身",
    other: "English",
    stand_in: "演练用替身，不是公安库",
    title: "给虚构的人放一张照片",
    promise: "照片加密保存在这台电脑上，24 小时后自动删除，也可以马上删除。请不要用真实的姓名。",
    who: "这个人是谁（虚构）",
    number: "身份证号（990000 开头）",
    another: "换一个",
    name: "姓名",
    photo: "照片",
    camera: "打开摄像头",
    camera_off: "关闭摄像头",
    choose: "选一张照片",
    empty: "这里显示照片",
    shoot: "拍这一张",
    poor: "照片不好也放入（演练“照片不能用”）",
    put: "放入照片",
    people: "已经放入的人",
    nobody: "现在一个人也没有。",
    faults: "演练故障",
    faults_note: "选一种，刷脸比对就会这样出错；选“正常”恢复。",
    fault_none: "正常",
    fault_busy: "回答“正忙”",
    fault_slow: "很慢（30 秒才回答）",
    fault_cut: "回答到一半断开",
    fault_unreachable: "连不上",
    fault_wrong_signature: "签名不对",
    fault_other_request: "答的是另一个请求",
    fault_on: "故障已打开",
    fault_off: "没有故障",
    point: "比对方法：",
    point_text: (p) => `真实的人脸引擎，相似度达到 ${p.threshold} 算同一个人；误识率上限 ${p.fmr_upper95}（95% 置信，${p.proven_for_population ? "" : "未在本地人群上证明，"}设定 ${p.fmr}）。`,
    looking: "正在看照片……",
    putting: "正在放入……",
    done: (one) => `已放入：${one.masked_name}，${one.hours_left} 小时后自动删除`,
    need_photo: "请先拍一张或选一张照片",
    no_camera: "摄像头打不开，请选一张照片",
    not_picture: "这个文件不是能打开的图片",
    offline: "连不上替身，请看看它是否还在运行",
    left: (hours) => `还剩 ${hours} 小时`,
    usable: "照片可以用",
    unusable: "没有能用的照片",
    remove: "删除",
    remove_one: (one) => `删除 ${one.masked_name}`,
  },
  en: {
    document: "Police registry stand-in",
    other: "中文",
    stand_in: "Stand-in for exercises, not the police registry",
    title: "Put in a photo of a fictional person",
    promise: "The photo is sealed on this computer and deleted after 24 hours, or at once if you like. Please use no real name.",
    who: "Who is it (made up)",
    number: "ID number (begins with 990000)",
    another: "Another",
    name: "Name",
    photo: "Photo",
    camera: "Open the camera",
    camera_off: "Close the camera",
    choose: "Choose a picture",
    empty: "The photo is shown here",
    shoot: "Take this one",
    poor: "Put it in all the same (to rehearse \"no usable photo\")",
    put: "Put the photo in",
    people: "People put in",
    nobody: "Nobody at present.",
    faults: "Rehearse a fault",
    faults_note: "Choose one and comparisons fail that way; choose \"None\" to mend it.",
    fault_none: "None",
    fault_busy: "Answers \"busy\"",
    fault_slow: "Slow (answers after 30 s)",
    fault_cut: "Cut off in the middle",
    fault_unreachable: "Unreachable",
    fault_wrong_signature: "Wrong signature",
    fault_other_request: "Answers another request",
    fault_on: "The fault is on",
    fault_off: "No fault",
    point: "Comparison:",
    point_text: (p) => `the real face engine; the same person from a similarity of ${p.threshold}. False match rate at most ${p.fmr_upper95} (95 % confidence${p.proven_for_population ? "" : ", not proven for this population"}; asked for ${p.fmr}).`,
    looking: "Looking at the picture…",
    putting: "Putting it in…",
    done: (one) => `Put in: ${one.masked_name}, deleted in ${one.hours_left} hours`,
    need_photo: "Take or choose a photo first",
    no_camera: "The camera did not open. Choose a picture",
    not_picture: "This file is no picture that can be opened",
    offline: "The stand-in does not answer. Is it still running?",
    left: (hours) => (hours === 1 ? "1 hour left" : `${hours} hours left`),
    usable: "usable photo",
    unusable: "no usable photo",
    remove: "Delete",
    remove_one: (one) => `Delete ${one.masked_name}`,
  },
};
const SIDE_MAX = 1600;
const LIVE_WIDTH = 640;
const LIVE_PAUSE_MS = 600;
const SLOW_S = 30;

const at = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
let language = query.get("lang") === "en" ? "en" : "zh";
let taken = false;
let stream = null;
let people = [];
let point = null;
const said = new Map();

function words(key, value) {
  const found = WORDS[language][key];
  return typeof found === "function" ? found(value) : found;
}

// A notice remembers how to say itself, so that it can be said again in the other language.
function say(id, kind, speak) {
  said.set(id, { kind, speak });
  at(id).textContent = speak ? speak() : "";
  at(id).className = `notice ${kind}`;
}

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = words("document");
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = words(element.dataset.words);
  }
  at("language").textContent = words("other");
  at("language").lang = language === "zh" ? "en" : "zh-CN";
  at("camera").textContent = words(stream ? "camera_off" : "camera");
  at("point").textContent = point ? words("point_text", point) : "";
  for (const [id, { kind, speak }] of said) say(id, kind, speak);
  showPeople();
}

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw { speak: () => words("offline") };
  }
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) throw { speak: () => refusal(answer) };
  return answer;
}

function refusal(problem) {
  const chinese = language === "zh";
  const hint = problem.details?.[`hint_${language}`];
  const stop = chinese ? "。" : ". ";
  const parts = [problem.message[language], hint, problem.next[language]].filter(Boolean);
  return parts.join(stop) + stop.trim();
}

async function encoded(canvas) {
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}

function draw(source, width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function show(canvas) {
  const place = at("picture");
  place.width = canvas.width;
  place.height = canvas.height;
  place.getContext("2d").drawImage(canvas, 0, 0);
  place.hidden = false;
  at("empty").hidden = true;
  taken = true;
}

function forgetPicture() {
  const place = at("picture");
  place.getContext("2d").clearRect(0, 0, place.width, place.height);
  place.hidden = true;
  at("empty").hidden = false;
  at("file").value = "";
  taken = false;
}

async function lookAt(canvas) {
  try {
    const seen = await call("POST", "desk/v1/look", { picture: await encoded(canvas) });
    say("seen", seen.usable ? "good" : "bad", () => seen.words[language]);
  } catch (failure) {
    say("seen", "bad", failure.speak);
  }
}

async function choose(file) {
  closeCamera();
  say("seen", "", () => words("looking"));
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    forgetPicture();
    say("seen", "bad", () => words("not_picture"));
    return;
  }
  const canvas = draw(bitmap, bitmap.width, bitmap.height, SIDE_MAX);
  bitmap.close();
  show(canvas);
  await lookAt(canvas);
}

async function openCamera() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { width: 1280, height: 960, facingMode: "user" },
      audio: false,
    });
  } catch {
    say("seen", "bad", () => words("no_camera"));
    return;
  }
  forgetPicture();
  const video = at("video");
  video.srcObject = stream;
  await video.play();
  video.hidden = false;
  at("empty").hidden = true;
  at("shoot").hidden = false;
  translate();
  watch(stream);
}

function closeCamera() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  at("video").srcObject = null;
  at("video").hidden = true;
  at("shoot").hidden = true;
  if (!taken) at("empty").hidden = false;
  at("camera").textContent = words("camera");
}

async function watch(mine) {
  const video = at("video");
  while (stream === mine) {
    if (video.videoWidth) {
      await lookAt(draw(video, video.videoWidth, video.videoHeight, LIVE_WIDTH));
    }
    await new Promise((done) => setTimeout(done, LIVE_PAUSE_MS));
  }
}

async function shoot() {
  const video = at("video");
  const canvas = draw(video, video.videoWidth, video.videoHeight, SIDE_MAX);
  show(canvas);
  closeCamera();
  await lookAt(canvas);
}

async function put(event) {
  event.preventDefault();
  if (!taken) {
    say("result", "bad", () => words("need_photo"));
    return;
  }
  say("result", "", () => words("putting"));
  try {
    const one = await call("POST", "desk/v1/people", {
      id_number: at("number").value.trim().toUpperCase(),
      name: at("name").value,
      picture: await encoded(at("picture")),
      poor_allowed: at("poor").checked,
    });
    say("result", "good", () => words("done", one));
    forgetPicture();
    say("seen", "", null);
    at("name").value = "";
    await another();
  } catch (failure) {
    say("result", "bad", failure.speak);
  }
  await load();
}

async function another() {
  at("number").value = (await call("GET", "desk/v1/number")).id_number;
}

async function load() {
  people = (await call("GET", "desk/v1/people")).people;
  showPeople();
}

function line(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function showPeople() {
  at("nobody").hidden = people.length > 0;
  at("people").replaceChildren(
    ...people.map((one) => {
      const item = document.createElement("li");
      const facts = document.createElement("div");
      const state = line(
        one.usable ? "state" : "state poor",
        `${words(one.usable ? "usable" : "unusable")} · ${words("left", one.hours_left)}`,
      );
      const number = line("number", one.masked_id_number);
      const name = line("person", one.masked_name);
      facts.append(name, document.createElement("br"), number, document.createElement("br"), state);
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = words("remove");
      remove.setAttribute("aria-label", words("remove_one", one));
      remove.addEventListener("click", () => removeOne(one));
      item.append(facts, remove);
      return item;
    }),
  );
}

async function removeOne(one) {
  try {
    await call("DELETE", `desk/v1/people/${one.reference}`);
  } catch (failure) {
    say("result", "bad", failure.speak);
  }
  await load();
}

function showFault(kind) {
  at("fault").value = kind;
  const on = kind !== "none";
  say("fault-state", on ? "bad" : "good", () => words(on ? "fault_on" : "fault_off"));
}

async function turnFault() {
  try {
    const kind = at("fault").value;
    showFault((await call("PUT", "desk/v1/fault", { kind, delay_s: SLOW_S })).kind);
  } catch (failure) {
    say("fault-state", "bad", failure.speak);
  }
}

at("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  translate();
});
at("another").addEventListener("click", another);
at("camera").addEventListener("click", () => (stream ? closeCamera() : openCamera()));
at("choose").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", () => at("file").files[0] && choose(at("file").files[0]));
at("shoot").addEventListener("click", shoot);
at("put").addEventListener("submit", put);
at("fault").addEventListener("change", turnFault);

translate();
(async () => {
  try {
    await another();
    await load();
    point = await call("GET", "desk/v1/point");
    showFault((await call("GET", "desk/v1/fault")).kind);
    translate();
  } catch (failure) {
    say("result", "bad", failure.speak ?? (() => words("offline")));
  }
  document.body.dataset.ready = "yes";
})();
