//! Does the built-in library name what is a token, and nothing else?

use super::{RuleSet, load};
use crate::token::TokenClass;
use crate::token::names::{Named, Part, Verdict};

fn built_in() -> RuleSet {
    load(true, &[]).unwrap()
}

fn class(verdict: Verdict<'_>) -> Option<TokenClass> {
    match verdict {
        Verdict::Token(Named { rule, .. }) => rule.class,
        _ => None,
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[test]
fn cookies_of_every_group_have_their_class() {
    let rules = built_in();
    let groups = [
        (
            TokenClass::Session,
            "PHPSESSID __Secure-PHPSESSID JSESSIONID JSESSIONIDSSO JSESSIONID.node1 JSESSIONID_a1 SESSION WLSESSION \
             PLAY_SESSION JServSessionId ASP.NET_SessionId ASPSESSIONIDQQABCDEF .ASPXAUTH .AspNetCore.Session \
             .AspNetCore.Cookies .AspNetCore.CookiesC1 .AspNetCore.Identity.Application .AspNet.ApplicationCookie \
             FedAuth FedAuth1 sessionid session _flask_session session_id beaker.session.id _session_id _shop_session \
             rack.session connect.sid sails.sid koa.sess koa:sess sid next-auth.session-token \
             __Secure-next-auth.session-token __Host-next-auth.session-token authjs.session-token \
             __Secure-authjs.session-token next-auth.session-token.0 better-auth.session_token auth_session \
             meteor_login_token laravel_session ci_session CAKEPHP zend_session_id october_session CraftSessionId \
             fe_typo_user be_typo_user SESS0123456789abcdef0123456789abcdef \
             SSESS0123456789abcdefghijklmnopqrstuvwxyzABCDEFG_-abc wordpress_logged_in_0a1b wordpress_sec_0a1b \
             wp_woocommerce_session_0a bbsessionhash xf_session phpbb3_abc_sid CFID CFTOKEN osCsid WMSessionID \
             session_id_admin CGISESSID _app_key REVEL_SESSION _gitlab_session i_like_gitea user_session \
             __Host-user_session_same_site _gh_sess grafana_session cloud.session.token nc_session_id \
             oc_sessionPassphrase roundcube_sessid roundcube_sessauth ZM_AUTH_TOKEN cadata MOIN_SESSION \
             _mastodon_session wikidb_session phpMyAdmin PVEAuthCookie _zendesk_session _secure_session_id li_at \
             auth_token c_user xs phpsessid",
        ),
        (TokenClass::Remember, "remember_user_token xf_user seraph.rememberme.cookie"),
        (
            TokenClass::Idp,
            "ESTSAUTH ESTSAUTHPERSISTENT ESTSAUTHLIGHT MSISAuth MSISAuth1 rtFa idx SID HSID SSID APISID SAPISID LSID \
             __Secure-1PSID __Secure-1PSIDTS __Secure-3PSIDCC auth0 appSession appSession.0 KEYCLOAK_IDENTITY \
             KEYCLOAK_IDENTITY_LEGACY KEYCLOAK_SESSION AUTH_SESSION_ID _shibsession_64656 shib_idp_session TGC CASTGC \
             SimpleSAMLSessionID SimpleSAMLAuthToken mod_auth_openidc_session _oauth2_proxy _oauth2_proxy_0 \
             _forward_auth authelia_session authentik_session _pomerium lemonldap CF_Authorization \
             AWSELBAuthSessionCookie-0 sb-abc-auth-token sb-abc-auth-token.1 __session MYSAPSSO2 SAP_SESSIONID_ABC_100 \
             LtpaToken LtpaToken2",
        ),
        (
            TokenClass::Edge,
            "NSC_AAAC NSC_TMAS NSC_TMAA DSID SVPNCOOKIE APSCOOKIE_123 authcookie webvpn MRHSession LastMRH_Session \
             BIGIPAuthCookie swap vmware-api-session-id PLESKSESSID NAS_SID",
        ),
    ];
    for (expected, names) in groups {
        for name in words(names) {
            let verdict = rules.tokens.cookie(name.as_bytes(), "shop.test");
            assert_eq!(class(verdict), Some(expected), "{name}: {verdict:?}");
        }
    }
}

#[test]
fn what_is_never_a_token_is_left_out() {
    let rules = built_in();
    let never = "_ga _ga_x _gid _gat_UA _gac_1 _gcl_au __utma AMP_TOKEN _dc_gtm_1 _fbp _fbc datr fr NID AEC SOCS CONSENT \
        1P_JAR IDE MUID _uetsid _hjSession_123 _clck _clsk _pk_id.1 ajs_user_id amplitude_id AMCV_1 AMCVS_1 s_cc s_sq s_vi \
        s_fid s_ppv mbox optimizelyEndUserId _vwo_uuid _vis_opt_s intercom-session-abc __hssc hubspotutk _mkto_trk \
        ai_session ai_user __stripe_mid __stripe_sid _parsely_session rxVisitor dtCookie _splunk_rum_sid _shopify_y \
        _shopify_s BITRIX_SM_LOGIN OptanonConsent OptanonAlertBoxClosed CookieConsent cookieyes-consent euconsent-v2 \
        didomi_token lang locale theme tz django_language NEXT_LOCALE csrftoken XSRF-TOKEN _csrf _csrf_session \
        __RequestVerificationToken_a .AspNetCore.Antiforgery.x __AntiXsrfToken ci_csrf_token YII_CSRF_TOKEN \
        CRAFT_CSRF_TOKEN form_key xf_csrf app-csrf-token atlassian.xsrf.token X-OWA-CANARY \
        __Host-next-auth.csrf-token authjs.csrf-token saml_csrf_token __cf_bm cf_clearance __cflb __cfruid _cfuvid \
        ak_bmsc bm_sv bm_sz _abck incap_ses_1_2 visid_incap_1 datadome _px3 KP_UIDz AWSALB AWSALBCORS AWSELB \
        ARRAffinity ARRAffinitySameSite ApplicationGatewayAffinityCORS ASLBSA BIGipServerpool TS01abcdef SERVERID \
        ROUTEID NSC_lb-vserver citrix_ns_id FGTServer _GRECAPTCHA buid esctx esctx-abc fpc .ASPXANONYMOUS \
        mage-cache-sessid TiPMix session.sig serverid";
    for name in words(never) {
        let verdict = rules.tokens.cookie(name.as_bytes(), "shop.test");
        assert!(matches!(verdict, Verdict::Excluded), "{name}: {verdict:?}");
    }
    for name in words("basket ab_bucket PHPSESSIDX NSC last_seen") {
        let verdict = rules.tokens.cookie(name.as_bytes(), "shop.test");
        assert!(matches!(verdict, Verdict::Unnamed), "{name}: {verdict:?}");
    }
}

#[test]
fn headers_parameters_and_paths() {
    let rules = built_in();
    let names = &rules.tokens;
    let headers = [
        ("Authorization", "Bearer", TokenClass::Bearer),
        ("authorization", "dpop", TokenClass::Bearer),
        ("Proxy-Authorization", "Token", TokenClass::Bearer),
        ("Authorization", "Basic", TokenClass::Basic),
        ("Authorization", "ApiKey", TokenClass::Api),
        ("X-Auth-Token", "", TokenClass::Bearer),
        ("X-Api-Key", "", TokenClass::Api),
        ("Api-Key", "", TokenClass::Api),
        ("X-Access-Token", "", TokenClass::Bearer),
        ("X-Session-Id", "", TokenClass::Bearer),
        ("X-Session-Token", "", TokenClass::Bearer),
        ("X-Subject-Token", "", TokenClass::Bearer),
        ("X-Amz-Security-Token", "", TokenClass::Bearer),
        ("X-Goog-Iap-Jwt-Assertion", "", TokenClass::Bearer),
        ("Cf-Access-Jwt-Assertion", "", TokenClass::Bearer),
        ("X-Vault-Token", "", TokenClass::Bearer),
        ("PRIVATE-TOKEN", "", TokenClass::Api),
        ("JOB-TOKEN", "", TokenClass::Api),
        ("vmware-api-session-id", "", TokenClass::Bearer),
        ("Sec-WebSocket-Protocol", "", TokenClass::Bearer),
    ];
    for (name, scheme, expected) in headers {
        assert!(names.may_name_header(name.as_bytes()), "{name}");
        assert_eq!(class(names.header(name.as_bytes(), scheme.as_bytes(), "")), Some(expected), "{name} {scheme}");
    }
    for name in words("sid sessid session session_id sessionid PHPSESSID jsessionid aspsessionidABC cfid cftoken") {
        assert_eq!(class(names.query(name.as_bytes(), "")), Some(TokenClass::Session), "{name}");
    }
    for name in words("access_token id_token refresh_token token jwt SAMLResponse SAMLart wresult") {
        assert_eq!(class(names.query(name.as_bytes(), "")), Some(TokenClass::Bearer), "{name}");
    }
    assert_eq!(class(names.query(b"auth_token", "")), Some(TokenClass::Session));
    for name in words("api_key apikey ticket code") {
        assert_eq!(class(names.query(name.as_bytes(), "")), Some(TokenClass::Api), "{name}");
    }
    assert_eq!(class(names.matrix(b"jsessionid", "")), Some(TokenClass::Session));
    assert_eq!(class(names.matrix(b"sid", "")), Some(TokenClass::Session));
    assert_eq!(class(names.path(b'S', "")), Some(TokenClass::Session));
    assert_eq!(class(names.path(b'F', "")), Some(TokenClass::Session));
    assert!(matches!(names.path(b'A', ""), Verdict::Unnamed));
    let Verdict::Token(session) = names.query(b"session_id", "") else { panic!("not named") };
    assert!(session.rule.except.iter().any(|p| p.fits(b"cs_test_a1b2c3")));
    let Verdict::Token(part) = names.cookie(b"CFTOKEN", "") else { panic!("not named") };
    assert_eq!(part.part, Part::Pair { index: 1, of: 2 });
}

#[test]
fn login_and_logout_paths() {
    let login = &built_in().logins;
    for path in ["/login", "/login.php", "/users/sign_in", "/wp-login.php", "/account/login/", "/signin", "/auth"] {
        assert!(login.is_login("shop.test", path.as_bytes()), "{path}");
    }
    assert!(login.is_login_redirect("shop.test", b"https://login.microsoftonline.com/common/oauth2/v2.0/authorize?x"));
    assert!(!login.is_login_redirect("shop.test", b"/account"));
    assert!(login.is_logout("shop.test", b"/logout") && !login.is_logout("shop.test", b"/login"));
}

#[test]
fn tools_are_told_from_apps_fetchers_and_helpers() {
    use crate::identity::UserAgent;
    use crate::identity::user_agent::Kind;
    let rules = built_in();
    let cases = [
        ("curl/8.9", Kind::Tool, "curl"),
        ("Wget/1.21", Kind::Tool, "wget"),
        ("python-requests/2.31.0", Kind::Tool, "python-requests"),
        ("Python-urllib/3.11", Kind::Tool, "python-urllib"),
        ("Go-http-client/2.0", Kind::Tool, "go-http-client"),
        ("PostmanRuntime/7.36.0", Kind::Tool, "postman"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0 Safari/537.36",
            Kind::Tool,
            "headless chrome",
        ),
        ("Shop/3.1 okhttp/4.12.0", Kind::App, "okhttp"),
        ("Shop/3 CFNetwork/1490.0.4 Darwin/23.2.0", Kind::App, "cfnetwork"),
        ("AppleCoreMedia/1.0.0.21C62 (iPhone; U; CPU OS 17_2 like Mac OS X; en_us)", Kind::App, "apple media"),
        ("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7)", Kind::App, "dalvik"),
        ("ELB-HealthChecker/2.0", Kind::Fetcher, "elb-healthchecker"),
        ("kube-probe/1.29", Kind::Fetcher, "kube-probe"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Kind::Fetcher, "googlebot"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", Kind::Fetcher, "slackbot"),
        (
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            Kind::Fetcher,
            "facebook preview",
        ),
        ("contype", Kind::Helper, "contype"),
        ("NSPlayer/12.00.19041.0 WMFSDK/12.00.19041.0", Kind::Helper, "windows media"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Kind::Browser, "firefox"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0 Safari/537.36",
            Kind::Browser,
            "chrome",
        ),
    ];
    for (text, kind, family) in cases {
        let agent = UserAgent::read(text, text.into(), &rules.agents);
        assert_eq!((agent.kind, &*agent.family), (kind, family), "{text}");
    }
}
