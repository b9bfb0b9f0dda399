// Files are sent one by one, so that each shows its own progress and its own trouble.
(() => {
  "use strict";
  const form = document.getElementById("upload-form");
  if (!form) {
    return;
  }
  const input = form.querySelector("[name=files]");
  const drop = document.getElementById("upload-drop");
  const sending = document.getElementById("upload-sending");
  const reading = document.getElementById("upload-reading");
  const taken = [];

  const line = (name) => {
    const row = sending.querySelector("tbody").insertRow();
    const label = row.insertCell();
    label.textContent = name;
    const bar = document.createElement("div");
    bar.className = "lm-progress";
    const fill = document.createElement("i");
    bar.append(fill);
    const middle = row.insertCell();
    middle.style.width = "40%";
    middle.append(bar);
    const said = row.insertCell();
    said.className = "lm-right";
    return { fill, said };
  };

  const send = (file, shown) =>
    new Promise((resolve) => {
      const fail = (why) => {
        shown.said.textContent = why;
        shown.said.className = "lm-right lm-note-bad";
        resolve();
      };
      if (file.size > Number(form.dataset.maxBytes)) {
        fail("Too large.");
        return;
      }
      const body = new FormData();
      for (const name of ["csrfmiddlewaretoken", "collection", "tags"]) {
        body.append(name, form.elements[name].value);
      }
      body.append("files", file);
      const request = new XMLHttpRequest();
      request.open("POST", window.location.pathname);
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) {
          shown.fill.style.width = `${(100 * event.loaded) / event.total}%`;
        }
      });
      request.addEventListener("load", () => {
        let answer = null;
        try {
          answer = JSON.parse(request.responseText).files[0];
        } catch {
          answer = null;
        }
        if (!answer) {
          fail(`Not taken (${request.status}).`);
        } else if (answer.error) {
          fail(answer.error);
        } else {
          shown.fill.style.width = "100%";
          shown.said.textContent = "sent";
          taken.push(answer.id);
          resolve();
        }
      });
      request.addEventListener("error", () => fail("The connection was lost: send it again."));
      request.send(body);
    });

  const follow = () => {
    if (taken.length && window.htmx) {
      reading.hidden = false;
      window.htmx.ajax("GET", `${form.dataset.progress}?ids=${taken.join(",")}`, {
        target: "#upload-progress",
        swap: "outerHTML",
      });
    }
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const files = [...input.files].slice(0, Number(form.dataset.maxFiles));
    if (!files.length) {
      return;
    }
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    sending.hidden = false;
    const lines = files.map((file) => [file, line(file.name)]);
    for (const [file, shown] of lines) {
      await send(file, shown);
    }
    follow(); // once: two that poll would replace each other
    form.reset();
    button.disabled = false;
  });

  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("lm-over", kind === "dragover");
      if (kind === "drop") {
        input.files = event.dataTransfer.files;
      }
    });
  }
})();
