// The link of `driftline login` has the token behind '#', which browsers do not send.
(() => {
  const logIn = () => {
    const form = document.getElementById("login"), token = location.hash.slice(1);
    if (!form || !token) return;
    history.replaceState(null, "", location.pathname + location.search);
    form.elements.token.value = token;
    form.submit();
  };
  addEventListener("hashchange", logIn); // the link was opened on this page
  logIn();
})();
