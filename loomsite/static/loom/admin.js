// Small behaviours of the admin's pages; everything works without them but the questions.
(() => {
  "use strict";

  // A form with data-confirm asks before it is sent.
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset && event.target.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
    }
  });

  // A form that was sent is not sent again by a second click.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") {
      return;
    }
    window.setTimeout(() => {
      for (const button of event.target.querySelectorAll("button[type=submit]")) {
        button.disabled = true;
      }
    }, 0);
  });

  // Coming back by the browser's history, the buttons work again.
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[type=submit][disabled]")) {
      button.disabled = false;
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-copy]");
    if (button && navigator.clipboard) {
      navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    }
  });
})();
